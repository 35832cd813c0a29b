//! Which clock is asked where. Timers go by the monotonic one: the calendar jumps, and then nobody may be probed, given up
//! or dialled for that.

use std::{fs, path::Path};

use crate::arrows::sources;

/// The rooms where timers are.
const ROOMS: [&str; 7] = ["ovsdb", "vtep", "intent", "plan", "fleet", "relay", "hostd"];

/// Files of these rooms that may ask for the date, and what for.
const CALENDAR: [(&str, &str); 7] = [
    ("fleet/certificates.rs", "certificates expire by the calendar"),
    ("fleet/passive/strangers.rs", "when a stranger came is shown"),
    ("fleet/worker.rs", "since when a state lasts is shown"),
    ("fleet/supervisor.rs", "since when a state lasts is shown"),
    ("fleet/driver.rs", "when a plan was carried out, or a row drifted, is shown"),
    ("relay/keeper.rs", "when a MAC was learned, and since when a gateway has none, is shown"),
    ("ovsdb/transport/x509.rs", "times of certificates, in words and tests"),
];

/// Where sources are, and the room that they stand for where a crate is one.
const ROOTS: [(&str, &str); 3] = [("src", ""), ("crates/core/src", ""), ("crates/ovsdb/src", "ovsdb/")];

#[test]
fn timers_do_not_go_by_the_calendar() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut found, mut seen) = (Vec::new(), Vec::new());
    for (sources_of, prefix) in ROOTS {
        let directory = top.join(sources_of);
        for path in sources(&directory) {
            let below = path.strip_prefix(&directory).expect("it was found below");
            let name = format!("{prefix}{}", below.display());
            seen.push(name.clone());
            let room = name.split(['/', '.']).next().unwrap_or_default();
            if !ROOMS.contains(&room) || CALENDAR.iter().any(|(file, _)| *file == name) {
                continue;
            }
            let text = fs::read_to_string(&path).expect("sources are UTF-8");
            if ["SystemTime::now", "UNIX_EPOCH.elapsed", "time::OffsetDateTime"].iter().any(|call| text.contains(call))
            {
                found.push(format!(
                    "{name} asks for the date: a timer goes by Instant; what is shown gets a line in {}",
                    file!()
                ));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    for (file, _) in CALENDAR {
        assert!(seen.iter().any(|name| name == file), "{file} is gone: so may its line");
    }
}
