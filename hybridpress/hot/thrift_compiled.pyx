# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, auto_pickle=False
"""Where a message of Thrift's binary protocol ends, compiled: the twin of `thrift_pure.py`, which tells what it promises."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int16_t, int32_t

cdef enum:
    ENDS_EARLY = -1
    UNLAWFUL = -2
    STRUCT = 12
    MAP = 13
    SET = 14
    LIST = 15
    DEEPEST = 64


cdef struct Message:
    const unsigned char *data
    Py_ssize_t size


def struct_end(bytes data not None, Py_ssize_t at, dict spec):
    cdef Message message
    message.data = <const unsigned char *>PyBytes_AS_STRING(data)
    message.size = PyBytes_GET_SIZE(data)
    return end_of_struct(&message, at, spec, DEEPEST)


cdef inline Py_ssize_t bytes_of(int kind) noexcept nogil:
    """Of each value of this type; 0 where they differ."""
    if kind == 2 or kind == 3:
        return 1
    if kind == 8:
        return 4
    if kind == 10 or kind == 4:
        return 8
    return 2 if kind == 6 else 0


cdef inline bint is_bytes(int kind) noexcept nogil:
    return kind == 11 or kind == 18


cdef inline bint is_known(int kind) noexcept nogil:
    return bytes_of(kind) != 0 or is_bytes(kind) or STRUCT <= kind <= LIST


cdef inline int32_t number_at(Message *message, Py_ssize_t at) noexcept nogil:
    cdef const unsigned char *data = message.data + at
    return <int32_t>((<unsigned int>data[0] << 24) | (data[1] << 16) | (data[2] << 8) | data[3])


cdef Py_ssize_t end_of_struct(Message *message, Py_ssize_t at, dict spec, int budget) except -3:
    cdef int kind
    cdef tuple field
    if budget <= 0:
        return UNLAWFUL
    while at < message.size:
        kind = message.data[at]
        if kind == 0:
            return at + 1
        if at + 3 > message.size:
            return ENDS_EARLY
        inner = None
        if spec is not None and kind >= STRUCT:
            field = spec.get(<int16_t>((message.data[at + 1] << 8) | message.data[at + 2]))
            if field is not None and len(field) > 3 and <int>field[0] == kind:
                inner = field[2]
        at = end_of_value(message, at + 3, kind, inner, budget - 1)
        if at < 0:
            return at
    return ENDS_EARLY


cdef Py_ssize_t end_of_value(Message *message, Py_ssize_t at, int kind, object spec, int budget) except -3:
    cdef int32_t size
    cdef Py_ssize_t n_bytes = bytes_of(kind)
    if n_bytes != 0:
        at += n_bytes
    elif is_bytes(kind):
        if at + 4 > message.size:
            return ENDS_EARLY
        size = number_at(message, at)
        if size < 0:
            return UNLAWFUL
        at += 4 + <Py_ssize_t>size
    elif kind == STRUCT:
        return end_of_struct(message, at, None if spec is None else spec.thrift_spec, budget)
    elif kind == LIST or kind == SET:
        return end_of_list(message, at, spec, budget)
    elif kind == MAP:
        return end_of_map(message, at, spec, budget)
    else:
        return UNLAWFUL
    return at if at <= message.size else ENDS_EARLY


cdef Py_ssize_t end_of_list(Message *message, Py_ssize_t at, object spec, int budget) except -3:
    cdef int kind
    cdef Py_ssize_t count, n_bytes
    if budget <= 0:
        return UNLAWFUL
    if at + 5 > message.size:
        return ENDS_EARLY
    kind = message.data[at]
    count = number_at(message, at + 1)
    at += 5
    if count == 0:
        return at
    if count < 0 or not is_known(kind):
        return UNLAWFUL
    n_bytes = bytes_of(kind)
    if count * (n_bytes if n_bytes != 0 else 1) > message.size - at:
        return ENDS_EARLY
    if n_bytes != 0:
        return at + count * n_bytes
    inner = None
    if isinstance(spec, tuple) and <int>(<tuple>spec)[0] == kind:
        inner = (<tuple>spec)[1]
    for _ in range(count):
        at = end_of_value(message, at, kind, inner, budget - 1)
        if at < 0:
            return at
    return at


cdef Py_ssize_t end_of_map(Message *message, Py_ssize_t at, object spec, int budget) except -3:
    cdef int key_kind, kind, key_wanted, wanted
    cdef Py_ssize_t count
    if budget <= 0:
        return UNLAWFUL
    if at + 6 > message.size:
        return ENDS_EARLY
    key_kind = message.data[at]
    kind = message.data[at + 1]
    count = number_at(message, at + 2)
    at += 6
    if count == 0:
        return at
    if count < 0 or not (is_known(key_kind) and is_known(kind)):
        return UNLAWFUL
    key_spec = value_spec = None
    if spec is not None:
        key, value = spec
        key_wanted, key_spec = key if isinstance(key, tuple) else (key, None)
        wanted, value_spec = value if isinstance(value, tuple) else (value, None)
        if (is_bytes(key_kind) and not is_bytes(key_wanted)) or (is_bytes(kind) and not is_bytes(wanted)):
            return UNLAWFUL
        if (key_kind != key_wanted and not is_bytes(key_kind)) or (kind != wanted and not is_bytes(kind)):
            key_spec = value_spec = None
    if count * 2 > message.size - at:
        return ENDS_EARLY
    for _ in range(count):
        at = end_of_value(message, at, key_kind, key_spec, budget - 1)
        if at < 0:
            return at
        at = end_of_value(message, at, kind, value_spec, budget - 1)
        if at < 0:
            return at
    return at
