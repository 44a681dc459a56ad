"""Deals what a node has to its workers. How much that is, of the whole cluster's plan, the head says."""

from __future__ import annotations

from dataclasses import replace

from hybridpress.config import RunConfig
from hybridpress.coordinator.actions import Tell
from hybridpress.coordinator.course import Course
from hybridpress.coordinator.dealer import MOST_GIVEN_UP, Dealer
from hybridpress.coordinator.tally import Worker
from hybridpress.ipc.messages import Begin, GivenUp, GiveUp, Order, Pace, Resize
from hybridpress.load.plan import Leg
from hybridpress.load.split import deal


class Followed(Course):
    """The cluster's plan, as node number *node* follows it: legs that come from the head, dealt on by *weights*."""

    def __init__(self, config: RunConfig, begin: Begin, node: int, weights: tuple[int, ...]) -> None:
        super().__init__(config, begin.start_ns, weights)
        assert begin.leg is not None
        self._node = node
        self._arrivals.take_up(begin.leg.mark)
        self.follow(begin.leg, begin.until_ns, begin.start_ns)

    def follow(self, leg: Leg, until_ns: int | None, now_ns: int) -> Leg:
        """Go on with *leg* of the head's. Returns what the workers are to follow."""
        self.until_ns = until_ns
        mine = replace(leg, above=((self._node, leg.weights), *leg.above), weights=self.leg.weights)
        self._hold(mine, max(now_ns, self._stretches[-1].at_ns))
        return mine

    def rate_at(self, at_ns: int) -> float:
        """The node's part of the rate that is asked for at *at_ns*."""
        return super().rate_at(at_ns) * self._share(self._leg_at(at_ns))

    def _share(self, leg: Leg) -> float:
        share = 1.0
        for place, weights in leg.above:
            share *= weights[place] / sum(weights)
        return share


class NodeDealer(Dealer):
    """Deals to the workers of node number *node*."""

    def __init__(self, config: RunConfig, workers: list[Worker], node: int) -> None:
        super().__init__(config, workers)
        self._node = node
        self._for_head: set[int] = set()
        """Whom the head's order to give up was passed on to, and who has not answered yet."""
        self._given_up: list[int] = []
        self.n_taken_over = 0
        """So many that other nodes gave up came here."""

    def begin_by(self, order: Begin) -> list[Tell]:
        """The load begins as the head says."""
        self.start_ns, self._until_ns = order.start_ns, order.until_ns
        for worker in self._workers:
            worker.is_pressing = not worker.is_gone
        if order.n_slots != self.n_slots:
            self._share_slots(order.n_slots)
        leg = None
        if order.leg is not None:
            weights = self._balance.fair(self._slots(), order.start_ns)
            course = Followed(self._config, order, self._node, weights)
            self.course, leg = course, course.leg
        elif order.iterations is not None:
            for worker, limit in zip(self._workers, deal(order.iterations, self._slots()), strict=True):
                worker.limit = limit
        return [
            Tell(worker.totals.id, Begin(order.start_ns, order.until_ns, leg, worker.limit, worker.n_slots))
            for worker in self._pressing()
        ]

    def follow(self, order: Pace, now_ns: int) -> list[Tell]:
        """The plan goes on as the head says."""
        assert isinstance(self.course, Followed)
        return self._pace(self.course.follow(order.leg, order.until_ns, now_ns))

    def pass_on(self, order: Order) -> list[Tell]:
        """What every worker is to do as this node."""
        return self._everyone(order)

    def until(self, until_ns: int | None) -> None:
        """Unpaced: start until then."""
        self._until_ns = until_ns

    def look(self, now_ns: int) -> list[Tell]:
        """What is to be moved between the workers. How many slots there are the head says."""
        return [] if self.course is None else super().look(now_ns)

    def resize(self, order: Resize, now_ns: int) -> list[Tell]:
        """So many slots press from now on; those that are missing get the numbers that the head gives."""
        before = self._slots()
        self._share_slots(order.n_slots)
        numbers = list(order.numbers)
        orders = []
        for worker, n_before in zip(self._workers, before, strict=True):
            if not worker.is_pressing or worker.reports_no_more or worker.n_slots == n_before:
                continue
            n_missing = max(worker.n_slots - worker.n_made, 0)
            taken, numbers = tuple(numbers[:n_missing]), numbers[n_missing:]
            worker.n_made += len(taken)
            orders.append(Tell(worker.totals.id, Resize(worker.n_slots, taken)))
        if self.course is not None and any(self._slots()):
            orders += self._pace(self._fair_leg(self.course, now_ns))
        return orders

    # what is given up to other nodes

    def give_up(self, at_most: int) -> list[Tell]:
        """Have the workers give up what waits, those first that have most of it."""
        if self._for_head:
            return []
        waiting = sorted(
            ((worker.counts.backlog, worker.totals.id) for worker in self._pressing() if worker.counts), reverse=True
        )
        orders, left = [], min(at_most, MOST_GIVEN_UP)
        for backlog, number in waiting:
            n = min(backlog, left)
            if n > 0 and number not in self._asked:
                self._asked.add(number)
                self._for_head.add(number)
                orders.append(Tell(number, GiveUp(n)))
                left -= n
        return orders

    def is_for_head(self, worker: int) -> bool:
        """Whether what *worker* gives up is to go to other nodes."""
        return worker in self._for_head

    def gave_up(self, worker: int, dues_ns: tuple[int, ...]) -> GivenUp | None:
        """*worker* gave these up for other nodes. When all have answered: what the head is to hear."""
        self._asked.discard(worker)
        self._for_head.discard(worker)
        self._given_up += dues_ns
        return self.settled()

    def settled(self) -> GivenUp | None:
        """What was given up to other nodes, once nobody is waited for any more."""
        if self._for_head:
            return None
        dues_ns, self._given_up = tuple(sorted(self._given_up)), []
        return GivenUp(self._node, dues_ns)

    def take_over(self, dues_ns: tuple[int, ...]) -> list[Tell]:
        """What other nodes gave up is started here."""
        self.n_taken_over += len(dues_ns)
        return self._hand_out(dues_ns, self._pressing())
