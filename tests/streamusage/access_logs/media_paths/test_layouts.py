"""Streams of paths, as media servers name the files of HLS and DASH."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.access_logs.media_paths.layouts import LAYOUTS, classify
from streamusage.access_logs.media_paths.media_path import MediaFile

PATHS = {
    "nginx-rtmp": {
        "hls s1": """
            playlist /hls/s1.m3u8
            segment:17 /hls/s1-17.ts
            playlist /hls/s1/index.m3u8
            segment:17 /hls/s1/17.ts
            playlist /hls/s1_mid.m3u8
            segment:4 /hls/s1_mid-4.ts
            segment:4 /hls/s1_720p2628kbs-4.ts
            segment:4 /hls/s1_720p2628kbs/4.ts
            playlist /hls/s1_hd720/index.m3u8
            segment:4 /hls/s1_720-4.ts
            segment:1795000000000 /hls/s1_src-1795000000000.ts
            playlist /hls/s1.mpd
            init /hls/s1-init.m4v
            segment:12345 /hls/s1-12345.m4a
            """,
        "hls main": "playlist /hls/main.m3u8\nsegment:12 /hls/main-12.ts",
        "hls 12": "playlist /hls/12.m3u8\nsegment:5 /hls/12-5.ts\nsegment:5 /hls/12/5.ts",
        "hls stream1": "segment:5 /hls/stream1-5.ts\nsegment:5 /hls/stream1/5.ts",
        "hls cam2": "playlist /hls/cam2.m3u8\nsegment:17 /hls/cam2-17.ts",
        "hls cam_2": "playlist /hls/cam_2.m3u8\nsegment:17 /hls/cam_2-17.ts",
        "live/room s1": "playlist /live/room/s1/index.m3u8\nsegment:17 /live/room/s1/17.ts",
    },
    "nginx-vod": {
        "hls s1": """
            playlist /hls/s1.mp4/master.m3u8
            playlist /hls/s1.mp4/index-v1-a1.m3u8
            segment:3 /hls/s1.mp4/seg-3-v1-a1.ts
            segment:3 /hls/s1.mp4/seg-3-f1-v1.m4s
            playlist /hls/s1.mp4/iframes-v1-a1.m3u8
            segment:2 /hls/s1_,360p,720p,.mp4.urlset/seg-2-f2-v1-a1.ts
            playlist /hls/s1_,360p,720p,.mp4.urlset/master.m3u8
            """,
        "dash/vod s1": """
            playlist /dash/vod/s1.mp4/manifest.mpd
            segment:1 /dash/vod/s1.mp4/fragment-1-f1-v1-x3.m4s
            init /dash/vod/s1.mp4/init-f1-v1-x3.mp4
            """,
    },
    "wowza": {
        "live s1": """
            playlist /live/s1/playlist.m3u8
            playlist /live/s1/chunklist.m3u8
            playlist /live/s1/chunklist_w1234567.m3u8
            playlist /live/s1/chunklist_w1_b216000_sleng.m3u8
            segment:5 /live/s1/media_w1234567_5.ts
            segment:5 /live/s1/media_5.ts
            segment:5 /live/s1/media_w1234567_b500000_5.ts
            segment:5 /live/s1/media_w1234567_b500000_sleng_5.ts
            segment:5 /live/s1/media_w1234567_b500000_ao_slen_t64cyRpbWU=_5.aac
            segment:5 /live/s1/media_w1_tkc2RmYXNkZmFzZGY_5.ts
            segment:6 /live/_definst_/s1/media_w1_b5_6.ts
            segment:6 /live/_definst_/smil:s1.smil/media_w1_b5_6.ts
            segment:6 /live/amlst:s1/media_w1_6.ts
            segment:6 /live/ngrp:s1_all/media_w1_b4_6.ts
            segment:6 /live/s1.smil/media_w1_b4_6.ts
            segment:6 /live/mp4:s1.mp4/media_w1_6.ts
            init /live/s1/chunk_ctvideo_cfm4s_ridp0va0br601392_cinit_w925796611_mpd.m4s
            segment:7 /live/s1/chunk_ctvideo_cfm4s_ridp0va0br601392_cn7_w925796611_mpd.m4s
            segment:790313081184 /live/s1/chunk_uqqie58vn_ctaudio_cfm4s_ridp0aa0br96000_cs790313081184_mpd.m4s
            """
    },
    "mediamtx": {
        "hls s1": """
            playlist /s1/index.m3u8
            playlist /s1/main_stream.m3u8
            playlist /s1/video1_stream.m3u8
            segment:40 /s1/0a1b2c3d4e5f_main_seg40.mp4
            part:41 /s1/0a1b2c3d4e5f_main_part41.mp4
            part:41 /s1/0a1b2c3d4e5f_audio2_part41.mp4
            init /s1/0a1b2c3d4e5f_video1_init.mp4
            playlist /s1/stream.m3u8
            segment:3 /s1/0a1b2c3d4e5f_seg3.ts
            """,
        "live s1": "segment:3 /live/s1/seg3.mp4\ninit /live/s1/init.mp4\npart:4 /live/s1/part4.mp4",
    },
    "ovenmediaengine": {
        "app s1": """
            playlist /app/s1/llhls.m3u8
            playlist /app/s1/master.m3u8
            playlist /app/s1/chunklist_0_video_llhls.m3u8
            playlist /app/s1/chunklist_0_video_5836966573701032432_llhls.m3u8
            part:120003 /app/s1/part_0_12_3_video_llhls.m4s
            part:120003 /app/s1/part_1_12_3_audio_aGh7_llhls.m4s
            segment:12 /app/s1/seg_0_12_video_Xyz12_llhls.m4s
            init /app/s1/init_0_video_Xyz12_llhls.m4s
            segment:12 /app/s1/seg_0_12_hls.ts
            playlist /app/s1/medialist_0_hls.m3u8
            """
    },
    "ant-media": {
        "LiveApp s1": """
            playlist /LiveApp/streams/s1.m3u8
            playlist /LiveApp/streams/s1_adaptive.m3u8
            playlist /LiveApp/streams/s1_720p800kbps.m3u8
            segment:1 /LiveApp/streams/s1_720p800kbps0001.ts
            segment:1 /LiveApp/streams/s1_0p0001.ts
            segment:1 /LiveApp/streams/s10001.ts
            segment:12 /LiveApp/streams/s1000000012.ts
            segment:12 /LiveApp/streams/s1_240p500kbps000000012.ts
            """,
        "LiveApp/sub s1": "segment:12 /LiveApp/streams/sub/s1_240p500kbps000000012.ts",
    },
    "srs": {
        "live s1": """
            playlist /live/s1.m3u8
            playlist /live/s1.m3u8?hls_ctx=8w8r2k5x
            segment:12 /live/s1-12.ts
            segment:12 /live/s1-12.ts?hls_ctx=8w8r2k5x
            segment:12 /live/s1-1234567-12.m4s
            init /live/s1-init.mp4
            """
    },
    "flussonic": {
        "hls s1": """
            playlist /s1/index.m3u8
            playlist /s1/video.m3u8
            playlist /s1/mono.m3u8
            playlist /s1/mono.ts.m3u8
            playlist /s1/index.fmp4.m3u8
            playlist /s1/tracks-v1a1/mono.m3u8
            segment:63839847845 /s1/tracks-v1a1/2024/01/02/03/04/05-06000.ts
            segment:63839847845 /s1/2024/01/02/03/04/05-06000.ts
            segment:63839847845 /s1/tracks-v1/2024/01/02/03/04/05-06000.m4s
            """,
        "grp s1": "playlist /grp/s1/index.m3u8\nsegment:63839847845 /grp/s1/2024/01/02/03/04/05-06000.ts",
    },
    "packager": {
        "hls s1": """
            playlist /s1/stream_0/playlist.m3u8
            segment:12 /s1/stream_0/data012.ts
            segment:1 /s1/v0/seg-1.ts
            segment:1 /s1/720p/seg-1.ts
            segment:1 /s1/video/avc1/1/seg-1.m4s
            segment:1 /s1/audio/en/mp4a.40.2/seg-1.m4s
            segment:0 /s1/media-1/segment-0.ts
            playlist /s1/h264_720p.m3u8
            segment:1 /s1/video_480p_2M_h264_1.mp4
            segment:12 /s1/audio_und_2c_128k_aac_12.m4s
            segment:12 /s1/fileSequence12.ts
            segment:0 /s1/out0.ts
            playlist /s1/manifest.mpd
            segment:1 /s1/chunk-stream0-00001.m4s
            init /s1/init-stream0.m4s
            segment:1 /s1/1/00001.m4s
            """,
        "out/v1 0123456789abcdef0123456789abcdef": """
            playlist /out/v1/0123456789abcdef0123456789abcdef/index.m3u8
            segment:123 /out/v1/0123456789abcdef0123456789abcdef/index_1_123.ts
            segment:123 /out/v1/0123456789abcdef0123456789abcdef/index_video_1_0_123.mp4
            """,
    },
    "auto": {
        "hls s1": """
            playlist /s1.m3u8
            playlist /hls/s1/s1.m3u8
            segment:12 /hls/s1/s1_00012.ts
            segment:12 /hls/s1/s112.ts
            segment:1 //hls/./s1/1.ts
            segment:1 http://cdn.example/hls/s1-1.ts?token=/x/y-9.ts
            other /hls/s1.vtt
            """,
        "live chan": "segment:1 /live/chan_720p_00001.ts\nsegment:123 /live/chan_1_123.ts",
        "hls news": "playlist /hls/news_low/index.m3u8\nsegment:2 /hls/news_high/2.ts",
        "hls café": "segment:2 /hls/caf%C3%A9-2.ts",
        "hls hls": "playlist /index.m3u8\nsegment:1 /hls/720p/seg-1.ts\nsegment:1 /hls/audio_1.m4s",
        "live livestream": "segment:12 /live/livestream/video-12.m4s",
    },
}

NAMES = {
    "hls 0123456789abcdef": "/hls/0123456789abcdef.m3u8 /hls/0123456789abcdef-12.ts /hls/0123456789abcdef/12.ts",
    "hls user_0123456789abcdef": "/hls/user_0123456789abcdef.m3u8 /hls/user_0123456789abcdef-3.ts",
    "hls news_ukrainian": "/hls/news_ukrainian.m3u8 /hls/news_ukrainian-3.ts",
    "hls 550e8400-e29b-41d4-a716-446655440000": "/hls/550e8400-e29b-41d4-a716-446655440000-12.ts "
    "/hls/550e8400-e29b-41d4-a716-446655440000.m3u8 /550e8400-e29b-41d4-a716-446655440000/0a1b2c3d4e5f_main_seg1.mp4",
    "hls cam_w2": "/hls/cam_w2.m3u8 /hls/cam_w2-5.ts",
    "live/room 12345": "/live/room/12345.m3u8 /live/room/12345-17.ts /live/room/12345/17.ts "
    "/live/room/12345/index.m3u8",
    "live 12345": "/live/12345/media_w1_5.ts /live/_definst_/12345/media_w1_5.ts /live/12345-17.ts",
    "hls default": "/hls/default.m3u8 /hls/default-3.ts",
    "hls archive": "/hls/archive.m3u8 /hls/archive-3.ts",
    "hls part-time": "/hls/part-time.m3u8 /hls/part-time-3.ts",
    "hls master-class": "/hls/master-class.m3u8 /hls/master-class-3.ts /hls/master-class_720p-3.ts",
    "hls média": "/hls/m%C3%A9dia-3.ts",
    "live s1.stream": "/live/s1.stream/media_w1_5.ts /live/s1.stream/chunklist_w1.m3u8",
    "live s1_aac2": "/live/s1_aac2-1.ts",
}
"""Names that look like renditions, tokens or numbers, and are none."""

CASES = [
    (layout, path, tuple(stream.split(" ")), kind)
    for layout, streams in PATHS.items()
    for stream, text in streams.items()
    for kind, path in (line.split() for line in text.strip().splitlines())
]


@pytest.mark.parametrize(("path", "stream", "kind"), [case[1:] for case in CASES])
def test_automatic_layout_finds_the_stream(path: str, stream: tuple[str, str], kind: str) -> None:
    assert describe(classify(path)) == (stream, kind)


@pytest.mark.parametrize(("layout", "path", "stream", "kind"), CASES)
def test_layout_of_the_server_finds_the_stream(layout: str, path: str, stream: tuple[str, str], kind: str) -> None:
    assert describe(classify(path, layout)) == (stream, kind)


@pytest.mark.parametrize(("path", "stream"), [(path, name) for name, paths in NAMES.items() for path in paths.split()])
def test_name_of_a_stream_is_not_taken_for_something_else(path: str, stream: str) -> None:
    file = classify(path)
    assert file is not None
    assert f"{file.scope} {file.name}" == stream


@pytest.mark.parametrize(
    "path", ["", "/", "/index.html", "/hls/", "/hls/s1", "/api/s1.json", "/s1.m3u8/", "/song.mp3", "*"]
)
def test_other_paths_are_no_files_of_a_stream(path: str) -> None:
    assert classify(path) is None


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("/live/s1/media_w1_b500000_5.ts", "/live/s1/media_w2_b500000_5.ts", True),
        ("/live/s1/media_w1_b500000_5.ts", "/live/s1/media_w1_b800000_5.ts", False),
        ("/hls/s1_low-5.ts", "/hls/s1_hi-5.ts", False),
        ("/hls/s1/low/5.ts", "/hls/s1/hi/5.ts", False),
        ("/app/s1/seg_0_12_video_KEY_llhls.m4s", "/app/s1/seg_1_12_audio_KEY_llhls.m4s", False),
        ("/hls/s1.mp4/seg-3-f1-v1-a1.ts", "/hls/s1.mp4/seg-3-f2-v1-a1.ts", False),
    ],
)
def test_rendition_is_what_remains_without_tokens_and_numbers(first: str, second: str, is_same: bool) -> None:
    one, other = classify(first), classify(second)
    assert one
    assert other
    assert (one.rendition == other.rendition) is is_same
    assert one.sequence == other.sequence


@given(st.sampled_from(sorted(LAYOUTS)), st.text(max_size=60), st.sampled_from(["ts", "m3u8", "m4s", "mp4", "key"]))
def test_any_path_is_classified_within_the_limits_of_names(layout: str, text: str, suffix: str) -> None:
    file = classify(f"/{text}.{suffix}", layout)
    assert file is None or (0 < len(file.name) <= 1000 and 0 < len(file.scope) <= 1000)


def describe(file: MediaFile | None) -> tuple[tuple[str, str], str] | None:
    if file is None:
        return None
    has_number = file.kind in ("segment", "part")
    return (file.scope, file.name), f"{file.kind}:{file.sequence}" if has_number else file.kind
