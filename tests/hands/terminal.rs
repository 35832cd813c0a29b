//! What people see on a terminal: colours, progress. script(1) lends one.

use std::{
    fmt::Write as _,
    process::{Command, Stdio},
};

use serde_json::json;

use crate::{
    l2gw::{L2GW, Scene, shell},
    support::{PATIENCE, eventually},
};

/// Output of a command on a terminal of 100 columns, standard error included.
fn on_a_terminal(scene: &Scene, environment: &[(&str, &str)], line: &str) -> String {
    let command = format!("stty cols 100 rows 40; {L2GW} --socket {} {line}", scene.socket());
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]).stdin(Stdio::null());
    script.env("SHELL", "/bin/sh").env("TERM", "xterm-256color").env_remove("NO_COLOR").env_remove("CLICOLOR");
    let output = script.envs(environment.iter().copied()).output().expect("script (bsdutils) is installed");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether it changes the colour of the text (SGR), not only the cursor's place.
fn is_coloured(text: &str) -> bool {
    text.split("\u{1b}[").skip(1).any(|rest| {
        let parameters = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        parameters.starts_with('m')
    })
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let scene = Scene::new().connected();
    for line in ["switch list", "status", "switch show tor-switch-1"] {
        let coloured = on_a_terminal(&scene, &[], line);
        assert!(is_coloured(&coloured), "{line}: {coloured:?}");
        assert!(is_coloured(&on_a_terminal(&scene, &[("NO_COLOR", "")], line)), "an empty NO_COLOR is none");
        for unwanted in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let plain = on_a_terminal(&scene, &[unwanted], line);
            assert!(!is_coloured(&plain), "{unwanted:?} {line}: {plain:?}");
            let words =
                |text: &str| text.split_whitespace().map(strip).filter(|word| !word.is_empty()).collect::<Vec<_>>();
            assert_eq!(words(&plain), words(&coloured), "the same words");
        }
        // What goes to a file, or to another program, has none, wherever errors go.
        let piped = on_a_terminal(&scene, &[], &format!("{line} | cat"));
        assert!(!is_coloured(&piped), "{line}: {piped:?}");
    }
    // Errors and help, which clap writes.
    for line in ["switch shwo", "--help"] {
        assert!(!is_coloured(&on_a_terminal(&scene, &[("NO_COLOR", "1")], line)), "{line}");
    }
    // A table keeps to the terminal's width.
    let table = on_a_terminal(&scene, &[("NO_COLOR", "1")], "connection list");
    let widest = table.lines().map(|line| line.trim_end().chars().count()).max();
    assert!(widest <= Some(100), "{widest:?}: {table}");
}

/// On a narrow terminal sentences are broken, between words: half a MAC or half a UUID can't be copied.
#[test]
fn no_table_splits_a_word() {
    let scene = Scene::new().connected();
    let network = scene.network();
    scene.ok(&[
        "gateway",
        "update",
        "vtep-gateway-1",
        "--device",
        "name=tor-switch-1",
        "--add-interface",
        "nowhere",
        "--force",
    ]);
    let connection = scene.ok(&["connection", "list", "-o", "name"]).name();
    eventually("the port is missed", PATIENCE, || {
        let said = scene.run(&["status"]);
        if said.out.contains("nowhere") { Ok(()) } else { Err(said.out) }
    });
    for (line, words) in [
        ("port list", vec!["fa:16:3e:00:00:01", "10.0.0.11", "compute-1"]),
        ("network show network1", vec![network.as_str()]),
        ("gateway list", vec!["vtep-gateway-1", "tor-switch-1:", "Ethernet40;"]),
        ("connection show vtep-gateway-1 network1", vec![connection.as_str(), "vtep-gateway-1", "Ethernet40"]),
        ("switch diff tor-switch-1", vec![]),
        ("fdb --all", vec!["fa:16:3e:00:00:01", "198.51.100.11"]),
    ] {
        let command = format!("stty cols 40 rows 40; {L2GW} --socket {} {line}", scene.socket());
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &command, "/dev/null"]).stdin(Stdio::null());
        let output = script.env("SHELL", "/bin/sh").env("NO_COLOR", "1").output().expect("script is installed");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let shown: Vec<&str> = text.split_whitespace().collect();
        for word in words {
            assert!(shown.contains(&word), "{line}: {word} is broken: {text}");
        }
    }
}

fn strip(word: &str) -> String {
    let mut parts = word.split("\u{1b}[");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    text
}

#[test]
fn progress_is_drawn_and_leaves_a_last_line() {
    let scene = Scene::new().furnished();
    let connect = "connection create vtep-gateway-1 network1 --default-segmentation-id 50 --wait";
    let drawn = on_a_terminal(&scene, &[("NO_COLOR", "1")], connect);
    for switch in ["tor-switch-1", "tor-switch-2"] {
        // A line each, that ends with all rows there.
        let last = drawn.rsplit(switch).next().expect("its line");
        assert!(last.contains("[====================]") && last.contains("done"), "{drawn:?}");
    }
    assert!(!is_coloured(&drawn), "{drawn:?}");

    let mut csv = "network,mac_address,host\n".to_owned();
    for i in 0..9000_u32 {
        let [_, _, b, c] = i.to_be_bytes();
        let _ = writeln!(csv, "network1,fa:16:3f:00:{b:02x}:{c:02x},compute-1");
    }
    let file = scene.file("many.csv", &csv);
    let drawn = on_a_terminal(&scene, &[], &format!("port import {file} --wait"));
    let bar = drawn.split('\r').find(|frame| frame.contains("=>") && frame.contains(" ports"));
    assert!(bar.is_some(), "a bar of the file, and the ports so far: {drawn:?}");
    assert!(drawn.contains("9000 ports are being created"), "{drawn:?}");
    let after = drawn.rsplit("9000 ports were created").next().expect("what follows");
    assert!(!after.contains("ports are being created"), "the bar is gone: {drawn:?}");
    assert!(after.contains("9004/9004") || after.contains("done"), "{after:?}");
    scene.tors[0].wait_rows("Ucast_Macs_Remote", 9002, PATIENCE);
}

/// Names that clear the screen, colour it, forge lines or turn text around, in every format and place where names are shown.
#[test]
fn names_do_not_steer_the_terminal() {
    let scene = Scene::new();
    let evil = "e\u{1b}[2J\u{9b}31m\u{202e}\u{200b}\nforged: line\r\u{7}\u{feff}";
    let network = scene.ok(&["network", "create", evil, "-o", "json"]).json();
    assert_eq!(network["name"], evil);
    let id = network["id"].as_str().expect("its id");
    scene.ok(&["endpoint", "create", evil, "198.51.100.11"]);
    scene.ok(&["port", "create", id, "--name", evil, "--host", evil]);
    let rest = scene.daemon.rest();
    let device = json!({"device_name": "tor-switch-1", "interfaces": [{"name": evil, "segmentation_id": [5]}]});
    rest.post("/v2.0/l2-gateways", &json!({"l2_gateway": {"name": evil, "devices": [device]}})).expect(201);
    let gateway = scene.ok(&["gateway", "list", "-o", "name"]).name();
    scene.ok(&["connection", "create", &gateway, id]);
    eventually("the port is missed", PATIENCE, || {
        let said = scene.run(&["status"]);
        if said.out.contains("forged") { Ok(()) } else { Err(said.out) }
    });
    let lists =
        ["network list", "endpoint list", "port list", "gateway list", "connection list", "switch list", "fdb --all"];
    let single = [
        format!("network show {id}"),
        format!("gateway show {gateway}"),
        format!("connection show {gateway} {id}"),
        "switch show tor-switch-1".to_owned(),
        "status".to_owned(),
        "audit".to_owned(),
        "audit --rows".to_owned(),
        "switch diff tor-switch-1".to_owned(),
    ];
    // Progress lines, and what is watched while names come.
    let moving = [
        "switch repair tor-switch-1 --wait".to_owned(),
        format!(
            "watch --kind call --count 2 & pid=$!; while kill -0 $pid 2>/dev/null; do {L2GW} --socket {} network create \"$EVIL\" \
             >/dev/null 2>&1; done; true",
            scene.socket()
        ),
    ];
    let mistakes = [
        "network show \"$EVIL\"x",
        "switch show \"$EVIL\"",
        "\"$EVIL\"",
        "network create \"$EVIL\"",
        "audit --since \"$EVIL\"",
    ];
    let lines =
        lists.iter().map(|line| (*line).to_owned()).chain(single).chain(moving).chain(mistakes.map(str::to_owned));
    for line in lines {
        for format in ["table", "json", "yaml", "csv", "name"] {
            let shown = on_a_terminal(&scene, &[("EVIL", evil)], &format!("-o {format} {line}"));
            // Line ends of a terminal, and our own colours.
            let mut text = shown.replace("\r\n", "\n");
            // A bar is drawn over and over.
            text = text.replace("\r\u{1b}[2K", "\n").replace("\u{1b}[1A", "");
            for ours in ["[0m", "[1m", "[32m", "[33m", "[31m", "[39m", "[38;5;9m", "[38;5;10m", "[38;5;11m", "[22m"] {
                text = text.replace(&format!("\u{1b}{ours}"), "");
            }
            let unfit = text.chars().find(|c| {
                (c.is_control() && *c != '\n')
                    || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{feff}')
            });
            assert_eq!(unfit, None, "{line} -o {format}: {text:?}");
            // A value of CSV or YAML may go on over lines.
            let forged = text.lines().any(|line| line.trim_start().starts_with("forged"));
            assert!(!forged || ["csv", "yaml"].contains(&format), "{line} -o {format}: {text}");
        }
    }
    // Into a pipe, programs get the name itself.
    for (format, read) in [
        ("json", "import sys,json; rows=json.load(sys.stdin)"),
        (
            "csv",
            "import sys,csv,io; rows=list(csv.DictReader(io.TextIOWrapper(sys.stdin.buffer,encoding='utf-8',newline='')))",
        ),
    ] {
        let script = format!(
            "$L2GW --socket $SOCKET network list -o {format} | python3 -c \"{read}; print(ascii(rows[0]['name']))\""
        );
        let read = shell(&scene.socket(), &script).expect(0).out;
        assert_eq!(read.trim(), r"'e\x1b[2J\x9b31m\u202e\u200b\nforged: line\r\x07\ufeff'", "{format}");
    }
}
