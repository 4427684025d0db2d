"""Lines of access logs in each form, with the request that they report."""

from streamusage.access_logs.web.request import WebRequest

AT = 1_795_873_009_000  # 2026-11-28 13:36:49 UTC


def request(**fields) -> WebRequest:
    base = WebRequest(
        AT, 1000, ("198.51.100.7",), "GET", "/hls/s1-7.ts", 200, 1_000_000, "player/1", *[""] * 5, duration_ms=None
    )
    return base._replace(**fields)


COMBINED = b'198.51.100.7 - - [28/Nov/2026:13:36:49 +0000] "GET /hls/s1-7.ts HTTP/1.1" 200 1000000 "-" "player/1"'
STREAMTOP = b'1795873009.250 198.51.100.7 "GET /hls/s1-7.ts HTTP/1.1" 200 1000000 "player/1" "-"'

COMMON = COMBINED.rpartition(b' "-"')[0]

LINES = [
    # The documented format.
    ("streamtop", STREAMTOP, request(at=AT + 250, granularity_ms=1)),
    (
        "streamtop",
        b'1795873009.250 203.0.113.7, 10.0.0.4 "GET /hls/s1-7.ts HTTP/1.1" 200 1000000 "player/1" "abc"',
        request(at=AT + 250, granularity_ms=1, addresses=("203.0.113.7", "10.0.0.4"), session="abc"),
    ),
    (
        "streamtop",
        b'1795873009.250 203.0.113.7,10.0.0.4 "GET /hls/s1-7.ts HTTP/1.1" 200 1000000 "player/1" "-"',
        request(at=AT + 250, granularity_ms=1, addresses=("203.0.113.7", "10.0.0.4")),
    ),
    (
        "streamtop",
        b'1795873009.250 unix: "GET /hls/s1-7.ts HTTP/1.1" 200 1000000 "player/1" "-" forwarded='
        b'"192.0.2.1, 203.0.113.7" cookie="a=b" cmcd="sid=\\x22x\\x22" host="live.example.com" via="1.1 b" time=0.125',
        request(
            at=AT + 250,
            granularity_ms=1,
            addresses=("192.0.2.1", "203.0.113.7", "unix:"),
            cookie="a=b",
            cmcd='sid="x"',
            host="live.example.com",
            via="1.1 b",
            duration_ms=125,
        ),
    ),
    (
        "streamtop",
        b'1795873009.250 2001:db8::7 "GET /hls/s1-7.ts HTTP/2.0" 200 1000000 "player/1" "-" forwarded="-" cookie="-"'
        b' cmcd="-" host="live.example.com" via="-"',
        request(at=AT + 250, granularity_ms=1, addresses=("2001:db8::7",), host="live.example.com"),
    ),
    (
        "streamtop",
        b'1795873009.250 198.51.100.7 "GET /hls/s1-7.ts HTTP/1.1" 200 1000000 "player/1" "-" host="live.example.com"',
        request(at=AT + 250, granularity_ms=1, host="live.example.com"),
    ),
    # combined, of nginx and Apache.
    ("combined", COMBINED, request()),
    (
        "combined",
        b'198.51.100.7 - - [28/Nov/2026:14:36:49 +0100] "GET /hls/s1-7.ts HTTP/1.1" 200 1000000 "-" "player/1" "-"',
        request(),
    ),
    (
        "combined",
        b'10.0.0.4 - - [28/Nov/2026:13:36:49 +0000] "GET /hls/s1-7.ts HTTP/1.1" 200 1000000 "-" "player/1"'
        b' "192.0.2.1, 203.0.113.7"',
        request(addresses=("192.0.2.1", "203.0.113.7", "10.0.0.4")),
    ),
    (
        "combined",
        b'203.0.113.7, 10.0.0.4 - - [28/Nov/2026:13:36:49 +0000] "GET /hls/s1-7.ts HTTP/1.1" 200 1000000 "-"'
        b' "player/1"',
        request(addresses=("203.0.113.7", "10.0.0.4")),
    ),
    (
        "combined",
        b'live.example.com:443 198.51.100.7 - ann lee [28/Nov/2026:13:36:49 +0000] "GET /hls/s1-7.ts HTTP/1.1" 200'
        b' 1000000 "http://x/" "player/1"',
        request(host="live.example.com"),
    ),
    (
        "combined",
        b'198.51.100.7 - - [28/Nov/2026:13:36:49 +0000] "GET /hls/s1-7.ts HTTP/1.1" 200 1000000 "-" "player/1"'
        b' rt=0.005 uct="0.000" urt="0.004, 0.001" "req-1f"',
        request(),
    ),
    (
        "combined",
        b'viewer.example.net - - [28/Nov/2026:13:36:49 +0000] "GET /hls/s1-7.ts HTTP/1.1" 200 1000000 "-" "player/1"',
        request(addresses=("viewer.example.net",)),
    ),
    (
        "combined",
        b'2001:db8::7 - - [28/Nov/2026:13:36:49.120 +0000] "GET /hls/s1-7.ts HTTP/1.1" 200 1000000 "-" "player/1"'
        b' 12 "hls@docker" "http://10.0.0.9:80" 5ms',
        request(addresses=("2001:db8::7",), at=AT + 120, granularity_ms=1),
    ),
    # common.
    (
        "common",
        b'198.51.100.7 - - [28/Nov/2026:13:36:49 +0000] "GET /hls/s1-7.ts HTTP/1.1" 200 1000000',
        request(user_agent=""),
    ),
    (
        "common",
        b'198.51.100.7 - - [28/Nov/2026:13:36:49 +0000] "HEAD /hls/s1-7.ts HTTP/1.1" 304 - 0.004',
        request(user_agent="", method="HEAD", status=304, bytes_out=0),
    ),
    (
        "common",
        b'<134>2026-11-28T13:36:50Z cache-fra1 s3[392809]: 198.51.100.7 "-" - [28/Nov/2026:13:36:49 +0000]'
        b' "GET /hls/s1-7.ts HTTP/1.1" 200 1000000',
        None,
    ),
    (
        "common",
        b"<134>2026-11-28T13:36:50Z cache-fra1 s3[392809]: 198.51.100.7 - - [28/Nov/2026:13:36:49 +0000]"
        b' "GET /hls/s1-7.ts HTTP/1.1" 200 1000000',
        request(user_agent=""),
    ),
    # JSON.
    (
        "json",
        b'{"time":"2026-11-28T13:36:49+00:00","remote_addr":"198.51.100.7","request":"GET /hls/s1-7.ts HTTP/1.1",'
        b'"status":"200","body_bytes_sent":"1000000","http_user_agent":"player/1","http_x_forwarded_for":"",'
        b'"request_time":"0.125"}',
        request(duration_ms=125),
    ),
    (
        "json",
        b'{"msec":1795873009.25,"remote_addr":"10.0.0.4","request_method":"GET","request_uri":"/hls/s1-7.ts","status":200,'
        b'"bytes_sent":1000000,"http_user_agent":"player/1","http_x_forwarded_for":"203.0.113.7"}',
        request(at=AT + 250, granularity_ms=1, addresses=("203.0.113.7", "10.0.0.4")),
    ),
    (
        "json",
        b'{"level":"info","ts":1795873009.25,"logger":"http.log.access.log0","msg":"handled request","request":'
        b'{"remote_ip":"198.51.100.7","remote_port":"5531","client_ip":"198.51.100.7","proto":"HTTP/2.0","method":"GET",'
        b'"host":"live.example.com","uri":"/hls/s1-7.ts","headers":{"User-Agent":["player/1"],"Accept":["*/*"]},'
        b'"tls":{"proto":"h2"}},"bytes_read":0,"user_id":"","duration":0.125,"size":1000000,"status":200,'
        b'"resp_headers":{"Via":["1.1 Caddy"]}}',
        request(at=AT + 250, granularity_ms=1, host="live.example.com", duration_ms=125),
    ),
    (
        "json",
        b'{"ClientAddr":"198.51.100.7:31073","ClientHost":"198.51.100.7","DownstreamContentSize":1000000,'
        b'"DownstreamStatus":200,"Duration":125000000,"RequestHost":"live.example.com","RequestMethod":"GET",'
        b'"RequestPath":"/hls/s1-7.ts","StartUTC":"2026-11-28T13:36:49.125000001Z","level":"info","msg":"",'
        b'"request_User-Agent":"player/1","time":"2026-11-28T13:36:49Z"}',
        request(at=AT + 250, granularity_ms=1, host="live.example.com", duration_ms=125),
    ),
    (
        "json",
        b'{"date":"2026-11-28","time":"13:36:49","ip":"198.51.100.7","request":"GET /hls/s1-7.ts HTTP/1.1",'
        b'"status":200,"bytes":1000000,"agent":"player/1"}',
        request(),
    ),
    (
        "json",
        b'{"date":"28.11.2026","time":1795873009250,"ip":"198.51.100.7","url":"/hls/s1-7.ts","method":"GET","status":200,'
        b'"bytes":1000000,"agent":"player/1","latency_ms":125}',
        request(at=AT + 250, granularity_ms=1, duration_ms=125),
    ),
    (
        "json",
        b'{"start_time":"2026-11-28T13:36:49.125Z","method":"GET","path":"/hls/s1-7.ts","response_code":206,"bytes_sent":'
        b'1000000,"user_agent":"player/1","duration":125,"x_forwarded_for":"203.0.113.7","authority":"live.example.com",'
        b'"downstream_remote_address":"10.0.0.4:51234"}',
        request(
            at=AT + 250,
            granularity_ms=1,
            addresses=("203.0.113.7", "10.0.0.4"),
            status=206,
            host="live.example.com",
            duration_ms=125,
        ),
    ),
    (
        "json",
        b'{"timestamp":"2026-11-28T13:36:49.250Z","httpRequest":{"requestMethod":"GET","requestUrl":'
        b'"https://live.example.com/hls/s1-7.ts","status":200,"responseSize":"1000000","userAgent":"player/1",'
        b'"remoteIp":"198.51.100.7","latency":"0.125s"}}',
        request(at=AT + 250, granularity_ms=1, host="live.example.com", duration_ms=125),
    ),
    (
        "json",
        b'{"ClientIP":"198.51.100.7","ClientRequestMethod":"GET","ClientRequestURI":"/hls/s1-7.ts","ClientRequestHost":'
        b'"live.example.com","ClientRequestUserAgent":"player/1","EdgeEndTimestamp":1795873009250000000,'
        b'"EdgeResponseBytes":1000000,"EdgeResponseStatus":200}',
        request(at=AT + 250, granularity_ms=1, host="live.example.com"),
    ),
    # Content delivery networks.
    (
        "fastly",
        b'{"timestamp":"2026-11-28T13:36:49+0000","client_ip":"198.51.100.7","host":"live.example.com","url":"/hls/s1-7.ts",'
        b'"request_method":"GET","request_user_agent":"player/1","response_status":200,"response_body_size":1000000}',
        request(host="live.example.com"),
    ),
    (
        "fastly",
        b'{"time_start":"2026-11-28T13:36:48+0000","time_end":"2026-11-28T13:36:49+0000","time_elapsed":125000,'
        b'"client_ip":"198.51.100.7","request":"GET","url":"/hls/s1-7.ts","status":200,"resp_bytes":1000000}',
        request(at=AT - 875, user_agent="", duration_ms=125),
    ),
    (
        "fastly",
        b"<134>2026-11-28T13:36:50Z cache-fra1 s3[1]: 198.51.100.7 - - [28/Nov/2026:13:36:49 +0000]"
        b' "GET /hls/s1-7.ts HTTP/1.1" 200 1000000',
        request(user_agent=""),
    ),
    (
        "akamai",
        b'{"version":1,"reqTimeSec":"1795873009.125","bytes":"1000000","cliIP":"198.51.100.7","statusCode":"200",'
        b'"reqHost":"live.example.com","reqMethod":"GET","reqPath":"/hls/s1-7.ts","UA":"player%2F1%20%28x%29",'
        b'"totalBytes":"1000999","transferTimeMSec":"125"}',
        request(at=AT + 250, granularity_ms=1, user_agent="player/1 (x)", host="live.example.com", duration_ms=125),
    ),
    (
        "akamai",
        b'{"reqTimeSec":"1795873009","bytes":"1000000","cliIP":"2001:db8::7","statusCode":"200","reqMethod":"GET",'
        b'"reqPath":"/hls/s1-7.ts","queryStr":"CMCD=sid%3D%22x%22"}',
        request(addresses=("2001:db8::7",), user_agent="", target="/hls/s1-7.ts?CMCD=sid%3D%22x%22"),
    ),
    (
        "akamai",
        b'{"reqTimeSec":"1795873009.250","bytes":"0","cliIP":"198.51.100.7","statusCode":"403","reqMethod":"POST",'
        b'"reqPath":"/x","xForwardedFor":"192.0.2.1","UA":"a%20b"}',
        request(
            at=AT + 250,
            granularity_ms=1,
            addresses=("192.0.2.1", "198.51.100.7"),
            method="POST",
            target="/x",
            status=403,
            bytes_out=0,
            user_agent="a b",
        ),
    ),
    (
        "cloudfront",
        b"2026-11-28\t13:36:49\tFRA2\t1000000\t198.51.100.7\tGET\td1.cloudfront.net\t/hls/s1-7.ts\t200\t-\tplayer/1%20(x)\t-"
        b"\t-\tHit\tid==\tlive.example.com\thttps\t23\t0.125\t-\tTLSv1.3\tA\tHit\tHTTP/2.0\t-\t-\t11040\t0.001\tHit"
        b"\tvideo/mp2t\t999000\t-\t-",
        request(user_agent="player/1 (x)", host="live.example.com", duration_ms=125),
    ),
    (
        "cloudfront",
        b"2026-11-28\t13:36:49\tFRA2\t1000000\t198.51.100.7\tGET\td1.cloudfront.net\t/hls/s1-7.ts\t200\t-\tplayer/1\ta=b"
        b"\tsid%3D1\tHit\tid==\tlive.example.com\thttps\t23\t0.125\t192.0.2.1\tTLSv1.3\tA\tHit\tHTTP/2.0",
        request(
            addresses=("192.0.2.1", "198.51.100.7"),
            target="/hls/s1-7.ts?a=b",
            cookie="sid=1",
            host="live.example.com",
            duration_ms=125,
        ),
    ),
    ("cloudfront", b"2026-11-28\t13:36:49\tFRA2\t1000000\t198.51.100.7\tGET\td1.cloudfront.net", None),
    (
        "#Fields: timestamp\tc-ip\tsc-status\tsc-bytes\tcs-method\tcs-uri-stem\tcs-user-agent\tcmcd-session-id",
        b'1795873009.250\t198.51.100.7\t200\t1000000\tGET\t/hls/s1-7.ts\tplayer/1%20(x)\t"abc"',
        request(at=AT + 250, granularity_ms=1, user_agent="player/1 (x)", session="abc"),
    ),
    (
        "#Fields: reqTimeSec cliIP statusCode bytes reqMethod reqPath UA",
        b"1795873009 198.51.100.7 200 1000000 GET /hls/s1-7.ts player%2F1",
        request(),
    ),
    (
        "#Fields: time,client_ip,method,uri,status,bytes_sent,user_agent",
        b'2026-11-28T13:36:49Z,198.51.100.7,GET,"/hls/s1-7.ts?a=b,c",200,1000000,"a ""quoted"", player"',
        request(target="/hls/s1-7.ts?a=b,c", user_agent='a "quoted", player'),
    ),
]
