# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, auto_pickle=False
"""What runs for each iteration and each exchange, compiled: the twin of `pure.py`, which tells what each part promises.

Beside C instead of bytecode, it saves what the loop does for each exchange: there is no future, and no handle of the
loop. A connection has one `Waiter`, which a task takes for a future; and the waiters whose replies were read in one turn
of the loop wake their tasks together, in one call, after all of them were read: so no reply waits to be read, and to
have its end noted, until the press() of another has run.
"""

cimport cython
from cpython cimport array
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_WarnEx
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.string cimport memcmp
from posix.time cimport clock_gettime, clockid_t, timespec

from asyncio import CancelledError, InvalidStateError

from hybridpress.hot.pure import ALONE_NS, NoWordError, give_way, uncancel

cdef extern from *:
    """
    #ifdef __APPLE__
    #define CLOCK_OF_PYTHON CLOCK_UPTIME_RAW
    #else
    #define CLOCK_OF_PYTHON CLOCK_MONOTONIC
    #endif
    """
    clockid_t CLOCK_OF_PYTHON  # the one that time.monotonic_ns() reads

cdef extern from "Python.h":
    ctypedef enum PySendResult:
        PYGEN_RETURN
        PYGEN_ERROR
        PYGEN_NEXT
    ctypedef PySendResult (*sendfunc)(PyObject *receiver, PyObject *value, PyObject **result) noexcept
    ctypedef struct PyAsyncMethods:
        sendfunc am_send
    ctypedef struct PyTypeObject:
        PyAsyncMethods *tp_as_async
    PySendResult PyIter_Send(object receiver, object value, PyObject **result) except PYGEN_ERROR
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1
    void PyType_Modified(type changed)


cdef inline long long now_ns() noexcept:
    """The clock of `hybridpress.clock`."""
    cdef timespec now
    clock_gettime(CLOCK_OF_PYTHON, &now)
    return <long long>now.tv_sec * 1_000_000_000 + now.tv_nsec


cdef inline int note(array.array samples, long long sample) except -1:
    """Append *sample*: 5 ns, where a call of the array's own append costs 40."""
    return array.extend_buffer(samples, <char *>&sample, 1)


# Samples


cdef class StepBase:
    cdef public array.array durations_ns
    cdef public long long bytes_in
    cdef public long long bytes_out
    cdef public long long n_failed

    def __init__(self):
        self.durations_ns = array.array("q")

    cdef inline int count(self, long long duration_ns, long long bytes_out, long long bytes_in) except -1:
        self.bytes_out += bytes_out
        self.bytes_in += bytes_in
        return note(self.durations_ns, duration_ns)

    def done(self, long long duration_ns, long long bytes_out, long long bytes_in):
        self.count(duration_ns, bytes_out, bytes_in)

    def failed(self, long long duration_ns, long long bytes_out, long long bytes_in):
        self.n_failed += 1
        self.count(duration_ns, bytes_out, bytes_in)


cdef class RecorderBase:
    cdef public dict checks
    cdef public object cut
    cdef public long long last_end_ns
    cdef public array.array lateness_ns
    cdef public long long n_failed
    cdef public bint paced
    cdef public array.array service_ns
    cdef public long long until_ns


# The turn of a slot


cdef class SlotsBase:
    cdef public object clock
    cdef public object gate
    cdef public Py_ssize_t last_index
    cdef public RecorderBase recorder
    cdef public array.array started_ns


cdef class SlotBase:
    cdef public dict checks
    cdef public bint failed
    cdef public SlotsBase group
    cdef public Py_ssize_t index
    cdef public object press


cdef inline long long read(object clock) except? -1:
    """*clock*, or without one the run's own, of which nobody needs an object."""
    return now_ns() if clock is None else <long long>clock()


async def turns(SlotBase slot):
    cdef SlotsBase group = slot.group
    cdef RecorderBase recorder = group.recorder
    cdef Py_ssize_t index = slot.index
    cdef bint paced = recorder.paced
    cdef bint takes_word = group.takes_word
    cdef long long due, start, end, alone_since, flush_ns, alone_ns = ALONE_NS
    cdef object clock = group.clock
    cdef object call = slot.press.press
    cdef object words = group.words
    cdef double n_words = len(group.words)
    cdef object draw = group.rng.random
    start = abs(group.started_ns.data.as_longlongs[index])
    alone_since = end = read(clock)
    while True:
        gate = group.gate
        if <long long>gate.due_ns <= end:
            due = gate.take()
            start = end
        else:
            group.started_ns.data.as_longlongs[index] = -start
            due = await group.wait()
            if due < 0:
                return
            alone_since = start = read(clock)
        group.started_ns.data.as_longlongs[index] = start
        try:
            if takes_word:
                await call(words[<Py_ssize_t>(<double>draw() * n_words)])
            else:
                await call()
        except BaseException as error:
            is_cut = isinstance(error, (GeneratorExit, CancelledError))
            if is_cut and (group.is_given_up() or isinstance(error, GeneratorExit)):
                return
            if isinstance(error, NoWordError):
                group.started_ns.data.as_longlongs[index] = -start
                return
            slot.fail(error)
            if isinstance(error, CancelledError):
                uncancel()
        end = read(clock)
        if end >= recorder.until_ns:
            recorder.cut(end)
            flush_ns = read(clock) - end
            due, start, end = due + flush_ns, start + flush_ns, end + flush_ns
        note(recorder.service_ns, end - start)
        if paced:
            note(recorder.lateness_ns, start - due)
        recorder.last_end_ns = end
        if slot.failed:
            slot.failed = False
            recorder.n_failed += 1
        if group.last_index != index:
            group.last_index = index
            alone_since = end
        elif end - alone_since > alone_ns:
            group.started_ns.data.as_longlongs[index] = -start
            await give_way()
            alone_since = end = read(clock)


# An HTTP exchange


cdef class HeadBase:
    cdef public Py_ssize_t head_bytes
    cdef public bytes raw
    cdef public Py_ssize_t reply_bytes
    cdef public object status


cdef class ResponseBase:
    cdef public object _asked
    cdef public object _head
    cdef public object body
    cdef public long long elapsed_ns
    cdef public object status


cdef class Waits:
    """Wakes, in one call of the loop, the tasks of all exchanges that ended since the call before."""

    cdef readonly object create_future
    cdef object loop
    cdef list ended

    def __init__(self, loop):
        self.create_future = loop.create_future
        self.loop = loop
        self.ended = []

    cdef int add(self, Waiter waiter) except -1:
        if not self.ended:
            self.loop.call_soon(self.wake)
        self.ended.append(waiter)
        return 0

    def wake(self):
        cdef Waiter waiter
        ended, self.ended = self.ended, []
        for waiter in ended:
            try:
                waiter.wake()
            except BaseException as error:  # SystemExit or KeyboardInterrupt: for the loop, not for the other waiters
                self.loop.call_soon(_raise, error)


def _raise(error):
    raise error


cdef object PENDING = object()
cdef object CANCELLED = object()


@cython.final
cdef class Waiter:
    """What an exchange waits for: to the task that runs it, a future; one for each connection, used again and again."""

    cdef public bint _asyncio_future_blocking
    cdef Waits waits
    cdef object outcome
    cdef object callback
    cdef object context

    cdef inline begin(self):
        self.outcome = PENDING
        self._asyncio_future_blocking = True

    cdef inline int end(self, outcome) except -1:
        self.outcome = outcome
        return self.waits.add(self)

    cdef wake(self):
        callback, context = self.callback, self.context
        self.callback = self.context = None
        if callback is None:
            return
        PyContext_Enter(context)
        try:
            callback(self)
        finally:
            PyContext_Exit(context)

    # What connections know of a future

    def done(self):
        return self.outcome is not PENDING

    def set_result(self, outcome):
        if self.outcome is not PENDING:
            raise InvalidStateError("the exchange has ended")
        self.end(outcome)

    # What tasks know of a future

    def get_loop(self):
        return self.waits.loop

    def add_done_callback(self, callback, *, context=None):
        self.callback = callback
        self.context = context
        if self.outcome is not PENDING:
            self.waits.add(self)

    def result(self):
        if self.outcome is CANCELLED:
            raise CancelledError
        return self.outcome

    def cancel(self, msg=None):
        if self.outcome is not PENDING:
            return False
        self.end(CANCELLED)
        return True


cdef class RouteBase:
    cdef public list idle
    cdef public HeadBase likely
    cdef public object reply_type
    cdef public object step
    cdef public Waits waits


cdef class RequestBase:
    cdef public bytes data
    cdef public bint quick
    cdef public RouteBase route
    cdef public long long timeout_ns


cdef class ConnectionBase:
    cdef public object body
    cdef public bint closed
    cdef public long long deadline_ns
    cdef public long long end_ns
    cdef public object future
    cdef public HeadBase likely
    cdef public object write
    cdef Waiter waiter

    def data_received(self, bytes data):
        cdef HeadBase likely = self.likely
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef char *start = PyBytes_AS_STRING(data)
        cdef long long end_ns
        if (
            likely is not None
            and size == likely.reply_bytes
            and memcmp(start, PyBytes_AS_STRING(likely.raw), likely.head_bytes) == 0
        ):
            end_ns = now_ns()
            if self.future is self.waiter and self.waiter is not None:
                if self.waiter.outcome is not PENDING:
                    self.drop()
                    return
                self.waiter.end(likely)
            else:
                try:
                    self.future.set_result(likely)
                except InvalidStateError:
                    self.drop()
                    return
            self.end_ns = end_ns
            self.body = PyBytes_FromStringAndSize(start + likely.head_bytes, size - likely.head_bytes)
            return
        self.received(data)


def exchange(RequestBase request, bytes body=None):
    cdef Exchange made = Exchange.__new__(Exchange)
    made.request = request
    made.data = request.data if body is None else b"%b%d\r\n\r\n%b" % (request.data, len(body), body)
    return made


cdef enum:
    NEW
    WAITING  # for a likely reply
    LONG  # the rest is a coroutine's
    OVER


@cython.final
@cython.freelist(256)
cdef class Exchange:
    """The coroutine that `exchange` is in the other twin, without a frame."""

    cdef RequestBase request
    cdef bytes data
    cdef ConnectionBase connection
    cdef HeadBase likely
    cdef long long started_ns
    cdef object rest
    cdef int stage

    cdef PySendResult step(self, object value, PyObject **result) except PYGEN_ERROR:
        """Go on until there is something to wait for (PYGEN_NEXT) or the reply is there (PYGEN_RETURN)."""
        if self.stage == NEW:
            if self.begin():
                Py_INCREF(self.connection.waiter)
                result[0] = <PyObject *>self.connection.waiter
                return PYGEN_NEXT
        elif self.stage == WAITING:
            if self.connection.waiter.outcome is self.likely:
                reply = self.concluded()
                Py_INCREF(reply)
                result[0] = <PyObject *>reply
                return PYGEN_RETURN
            self.stage = LONG
            self.rest = self.request.conclude(
                self.connection, self.connection.waiter.outcome, self.data, self.started_ns
            )
        elif self.stage == OVER:
            raise RuntimeError("cannot reuse already awaited coroutine")
        return PyIter_Send(self.rest, value, result)

    cdef bint begin(self) except -1:
        """Send the request. Whether it went the quick way: else the rest is a coroutine's."""
        cdef RequestBase request = self.request
        cdef RouteBase route = request.route
        cdef ConnectionBase connection
        self.started_ns = now_ns()
        if request.quick and len(route.idle):
            connection = <ConnectionBase?>route.idle.pop()
            if not connection.closed:
                if connection.waiter is None:
                    connection.waiter = Waiter.__new__(Waiter)
                    connection.waiter.waits = route.waits
                connection.waiter.begin()
                connection.future = connection.waiter
                self.likely = connection.likely = route.likely
                connection.deadline_ns = self.started_ns + request.timeout_ns
                self.connection = connection
                self.stage = WAITING
                connection.write(self.data)
                return True
        self.stage = LONG
        self.rest = request.exchange(self.data, self.started_ns)
        return False

    cdef ResponseBase concluded(self):
        """The reply, under the likely head."""
        cdef RouteBase route = self.request.route
        cdef ConnectionBase connection = self.connection
        cdef HeadBase likely = self.likely
        cdef ResponseBase response = <ResponseBase?>route.reply_type()
        self.stage = OVER
        route.idle.append(connection)
        response.status = likely.status
        response.body = connection.body
        response.elapsed_ns = connection.end_ns - self.started_ns
        response._head = likely
        response._asked = self.request
        if isinstance(route.step, StepBase):
            (<StepBase>route.step).count(response.elapsed_ns, PyBytes_GET_SIZE(self.data), likely.reply_bytes)
        else:
            route.step.done(response.elapsed_ns, PyBytes_GET_SIZE(self.data), likely.reply_bytes)
        return response

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        cdef PyObject *result = NULL
        how = self.step(value, &result)
        found = <object>result
        Py_DECREF(found)  # the reference that came in *result*
        if how == PYGEN_NEXT:
            return found
        raise StopIteration(found)

    def throw(self, kind, value=None, frames=None):
        error = kind if value is None else value
        if self.stage == LONG:
            return self.rest.throw(error)
        self.close()
        raise error

    def close(self):
        if self.stage == LONG:
            self.rest.close()
        elif self.stage == WAITING:
            self.connection.waiter.outcome = CANCELLED
            self.connection.waiter.callback = self.connection.waiter.context = None
            self.connection.drop()
        self.stage = OVER

    def __dealloc__(self):
        if self.stage == NEW:
            PyErr_WarnEx(RuntimeWarning, b"an HTTP request was made, but never awaited", 1)


cdef PySendResult _send(PyObject *receiver, PyObject *value, PyObject **result) except PYGEN_ERROR:
    return (<Exchange>receiver).step(<object>value, result)


# Cython has no name for this slot. Without it a reply would come as the value of a StopIteration, 100 ns each.
(<PyTypeObject *>Exchange).tp_as_async.am_send = <sendfunc><void *>_send
PyType_Modified(Exchange)
