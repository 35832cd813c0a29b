//! Any text is read or refused, and what is read stands in the text at the line that is reported.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vtepd::config::ini::parse;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = str::from_utf8(input) else { return };
    let parsed = parse(text);
    let lines: Vec<&str> = text.strip_prefix('\u{feff}').unwrap_or(text).lines().collect();
    let at = |line: u32| lines[line as usize - 1];
    for section in &parsed.sections {
        assert!(at(section.line).contains('['));
        for entry in &section.entries {
            assert!(at(entry.line).to_ascii_lowercase().contains(&entry.key));
            assert!(at(entry.line).contains(entry.value.lines().next().unwrap_or("")));
        }
    }
    for (line, problem) in parsed.problems {
        assert!(!format!("{} {problem}", at(line)).is_empty());
    }
});
