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
    for (levels, word) in
        [("vtepd=verbose", "verbose"), ("loud", "loud"), ("info,hyper::proto=inf", "inf"), ("[a{b=c,d}]=lod", "lod")]
    {
        let wrong = filter(levels, None).unwrap_err().to_string();
        let expected = format!("'{word}' is no level: use error, warn, info, debug, trace or off");
        assert!(wrong.contains(&expected), "{wrong}");
    }
    for levels in ["off", "WARN", "hyper::proto", "warn,vtepd=trace", "[worker{switch=tor-1}]=debug,info", "[worker]"] {
        assert!(filter(levels, None).is_ok(), "{levels}");
    }
}

#[test]
fn an_operators_levels_are_taken() {
    let (log, _layer) = LogHandle::detached();
    log.set("warn,vtepd=trace").unwrap();
    assert_eq!(log.filter.with_current(ToString::to_string).unwrap(), "vtepd=trace,warn");
    let wrong = log.set("vtepd=verbose").unwrap_err();
    assert!(matches!(&wrong, LogError::Levels { why, .. } if why.starts_with("'verbose' is no level")), "{wrong}");
    assert_eq!(log.filter.with_current(ToString::to_string).unwrap(), "vtepd=trace,warn", "the old ones stay");
}

#[cfg(feature = "systemd")]
#[test]
fn a_journal_entry_holds_the_fields_of_event_and_span() {
    use std::sync::Mutex;

    static SENT: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let journal = super::journal::Journal::to("vtep-hostd", |entry| {
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
        sent.starts_with("MESSAGE=rows are held rows=3 error=line\\nbreak switch=tor-switch-1 lock=held|PRIORITY=4|"),
        "{sent}"
    );
    for field in ["|VTEPD_ROWS=3|", "|VTEPD_SWITCH=tor-switch-1|", "|VTEPD_LOCK=held", "|SYSLOG_IDENTIFIER=vtep-hostd|"]
    {
        assert!(sent.contains(field), "{field} in {sent}");
    }
}

/// What was logged, as it goes to a terminal or a file.
#[derive(Clone, Default)]
struct Written(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_name_neither_steers_the_terminal_nor_forges_a_line() {
    for colours in [false, true] {
        let written = Written::default();
        let to = written.clone();
        let layer = fmt::layer()
            .with_writer(move || to.clone())
            .with_ansi(colours)
            .without_time()
            .fmt_fields(fields::escaped());
        let evil = "tor\u{1b}[2J\n\u{9b}31m\u{202e}x";
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let _inside = tracing::info_span!("worker", switch = evil).entered();
            tracing::warn!(port = %evil, rows = 3, "port {evil} is not there");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        assert_eq!(text.matches("\\u{1b}[2J\\n\\u{9b}31m\\u{202e}x").count(), 3, "{text:?}");
        assert!(!text.contains(['\u{9b}', '\u{202e}']) && !text.contains("\u{1b}[2J"), "{text:?}");
        assert_eq!(text.contains('\u{1b}'), colours, "{text:?}");
        assert!(text.contains("rows") && text.contains("is not there"), "{text:?}");
    }
}
