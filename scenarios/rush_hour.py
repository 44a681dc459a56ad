"""A rate that follows the day: quiet, a rush with a spike in it, and quiet again.

    hybridpress target &
    hybridpress run scenarios/rush_hour.py --host http://127.0.0.1:8080

The whole takes 10 s. `--arrivals poisson` has the users come at random; `--late drop` leaves out those for whom no slot
is free.
"""

from hybridpress import Press, check, hold, ramp, spike


class RushHour(Press):
    host = "http://127.0.0.1:8080"
    concurrent = 50
    profile = ramp(50, 150, "1s") + hold("2s") + spike(150, 600, "1s", "1s", "2s") + ramp(150, 50, "3s")

    async def press(self) -> None:
        reply = await self.http.get("/json")
        check(reply.status == 200, "status is 200")


if __name__ == "__main__":
    RushHour(duration="10s").run()
