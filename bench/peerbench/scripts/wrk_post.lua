-- The POST of wrk and wrk2: one request, made once.
local file = assert(io.open(os.getenv("PEER_BODY_FILE"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
file:close()
