"""One peer of a libtorrent swarm: libtorrent-peer.py ADDRESS TORRENT FOLDER.

Says `ready`, waits for a line, adds the torrent, says `announced` when the tracker answered and `complete` when the
folder has the whole file, and seeds on until it is killed.
"""

import sys

import libtorrent

address, torrent, folder = sys.argv[1:4]


def say(text):
    print(text, flush=True)


session = libtorrent.session(
    {
        "listen_interfaces": f"{address}:6881",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "mixed_mode_algorithm": 0,  # prefer_tcp
        "allow_multiple_connections_per_ip": True,
        "unchoke_slots_limit": -1,
        "send_buffer_watermark": 4 * 1024 * 1024,
        "send_buffer_watermark_factor": 150,
        "alert_mask": libtorrent.alert.category_t.status_notification
        | libtorrent.alert.category_t.tracker_notification
        | libtorrent.alert.category_t.error_notification,
    }
)
say("ready")
sys.stdin.readline()
session.add_torrent({"ti": libtorrent.torrent_info(torrent), "save_path": folder})
while True:
    session.wait_for_alert(1000)
    for alert in session.pop_alerts():
        if isinstance(alert, libtorrent.tracker_reply_alert):
            say("announced")
        elif isinstance(alert, libtorrent.torrent_finished_alert):
            say("complete")
        elif isinstance(alert, (libtorrent.torrent_error_alert, libtorrent.listen_failed_alert)):
            say(alert.message())
