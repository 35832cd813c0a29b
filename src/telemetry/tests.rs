use std::io::Write;

use tracing::Level;

use super::{prefixed::Line, *};

#[test]
fn each_line_of_a_stream_has_its_level() {
    let mut out = Vec::new();
    Line::new(Level::WARN, &mut out).write_all(b"one\ntwo\n").unwrap();
    Line::new(Level::DEBUG, &mut out).write_all(b"three\n").unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "<4>one\n<4>two\n<7>three\n");
}

#[test]
fn rust_log_overrides_the_configuration_and_wrong_levels_are_refused() {
    assert_eq!(filter("info,vtepd=debug", None).unwrap().to_string(), "vtepd=debug,info");
    assert_eq!(filter("info,vtepd=debug", Some("error".to_owned())).unwrap().to_string(), "error");
    let wrong = filter("info,vtepd=debug", Some("vtepd=loud".to_owned())).unwrap_err().to_string();
    assert!(wrong.contains("'vtepd=loud' (RUST_LOG)"), "{wrong}");
}

#[cfg(feature = "systemd")]
#[test]
fn a_journal_entry_holds_the_fields_of_event_and_span() {
    use std::sync::Mutex;

    static SENT: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let journal = super::journal::Journal::to(|entry| {
        SENT.lock().unwrap().push(entry.join("|"));
        Ok(())
    });
    tracing::subscriber::with_default(tracing_subscriber::registry().with(journal), || {
        let span = tracing::info_span!("worker", switch = "tor-switch-1", lock = tracing::field::Empty);
        let _inside = span.enter();
        span.record("lock", "held");
        tracing::warn!(rows = 3, error = %"line\nbreak", "rows are held");
    });
    let sent = SENT.lock().unwrap().join("\n");
    assert!(
        sent.starts_with("MESSAGE=rows are held rows=3 error=line\nbreak switch=tor-switch-1 lock=held|PRIORITY=4|"),
        "{sent}"
    );
    for field in ["|VTEPD_ROWS=3|", "|VTEPD_SWITCH=tor-switch-1|", "|VTEPD_LOCK=held", "|SYSLOG_IDENTIFIER=vtepd|"] {
        assert!(sent.contains(field), "{field} in {sent}");
    }
}
