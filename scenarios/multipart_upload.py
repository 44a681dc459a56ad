"""Upload a file as a form with aiohttp's session, which has what the fast client leaves out.

    hybridpress target &
    hybridpress run scenarios/multipart_upload.py --host http://127.0.0.1:8080 --qps 200 --duration 10s

Requests of `self.session` are steps too, named by their method and path. They cost several times as much CPU as those
of `self.http`.
"""

import aiohttp

from hybridpress import Press, check


class MultipartUpload(Press):
    host = "http://127.0.0.1:8080"

    def vocab(self) -> list[bytes]:
        return [b"report number %d\n" % number * 50 for number in range(100)]

    async def press(self, word: bytes) -> None:
        form = aiohttp.FormData()
        form.add_field("title", "monthly report")
        form.add_field("file", word, filename="report.txt", content_type="text/plain")
        async with self.session.post("/echo", data=form) as reply:
            body = await reply.read()
        check(reply.status == 200, "status is 200")
        check(word in body and b'filename="report.txt"' in body, "the file was received")


if __name__ == "__main__":
    MultipartUpload(qps=100, concurrent=10, duration="10s").run()
