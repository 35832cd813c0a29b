//! Files: the import of ports, completions, manual pages.

use std::{fmt::Write as _, process::Command};

use crate::{
    l2gw::{MACHINES, Scene, alone, shell},
    support::PATIENCE,
};

fn csv(rows: u32) -> String {
    let mut text = "network,mac_address,ip_address,host,name\n".to_owned();
    for i in 0..rows {
        let [_, a, b, c] = i.to_be_bytes();
        let _ = writeln!(text, "network1,fa:16:3f:{a:02x}:{b:02x}:{c:02x},10.1.{b}.{c},compute-1,\"vm, {i}\"");
    }
    text
}

#[test]
fn all_ports_of_a_file_or_none() {
    const ROWS: u32 = 5000;
    let scene = Scene::new().connected();
    let all = ROWS as usize + MACHINES.len();
    let good = csv(ROWS);
    let file = scene.file("ports.csv", &good);
    let said = scene.ok(&["port", "import", &file, "--wait"]);
    assert!(said.err.contains(&format!("{ROWS} ports were created")) && said.err.contains("done"), "{}", said.err);
    scene.tors[0].wait_rows("Ucast_Macs_Remote", all, PATIENCE);
    assert_eq!(scene.ok(&["port", "list", "-o", "name"]).out.lines().count(), all, "page by page");
    assert_eq!(scene.ok(&["port", "list", "-o", "json"]).json().as_array().expect("ports").len(), all);
    // With the line of the columns' names.
    assert_eq!(scene.ok(&["port", "list", "--limit", "7", "-o", "csv"]).out.lines().count(), 1 + 7);

    // The last line is wrong: nothing of it is created, and the message names the line.
    let twice = scene.file("twice.csv", &format!("{}network1,fa:16:3f:00:00:01,,compute-1,\n", csv(0)));
    let said = scene.run(&["port", "import", &twice]).expect(73);
    assert!(said.err.contains("twice.csv: MAC fa:16:3f:00:00:01 is in use"), "{}", said.err);
    for (name, text, code, message) in [
        ("empty.csv", String::new(), 65, "its first line names the columns"),
        ("head.csv", "network,mac\n".to_owned(), 65, "has no ports"),
        ("column.csv", "network,vlan\nnetwork1,5\n".to_owned(), 65, "column.csv:1: there is no column 'vlan'"),
        (
            "fields.csv",
            "network,mac\nnetwork1,,,\n".to_owned(),
            65,
            "fields.csv:2: 4 fields, but the first line names 2 columns",
        ),
        (
            "short.csv",
            "network,mac,host\nnetwork1,fa:16:42:00:00:01,compute-1\nnetwork1,fa:16:42:00:00:02\n".to_owned(),
            65,
            "short.csv:3: 2 fields, but the first line names 3 columns",
        ),
        (
            "quote.csv",
            "network,name\nnetwork1,\"open\nnetwork1,x\n".to_owned(),
            65,
            "quote.csv:2: the field that begins with 'open' goes on over lines: is a quote not closed?; nothing was created",
        ),
        (
            "semicolon.csv",
            "network;mac\nnetwork1;fa:16:42:00:00:01\n".to_owned(),
            65,
            "semicolon.csv:1: columns are separated by ',', not by ';'",
        ),
        ("ip.csv", "network,ip\nnetwork1,10.0.0.300\n".to_owned(), 65, "ip.csv:2: ports[0].fixed_ips[0].ip_address"),
        ("nobody.csv", "network,mac\nnobody's,\n".to_owned(), 66, "nobody.csv:2: no network is called"),
        (
            "group.csv",
            format!("{}network1,01:00:5e:00:00:01,,,\n", csv(3000).replace("fa:16:3f", "fa:16:40")),
            65,
            "group.csv:3002: ",
        ),
    ] {
        let file = scene.file(name, &text);
        let said = scene.run(&["port", "import", &file]).expect(code);
        assert!(said.err.contains(message), "{name}: {}", said.err);
    }
    assert_eq!(scene.ok(&["port", "list", "-o", "name"]).out.lines().count(), 5002);
    // From a pipe, with the network once for all.
    let piped = "printf 'mac\\nfa:16:41:00:00:01\\n' | $L2GW --socket $SOCKET port import - --network network1";
    let _ = shell(&scene.socket(), piped).expect(0);
    assert_eq!(scene.ok(&["port", "list", "-o", "name"]).out.lines().count(), 5003);
}

#[test]
fn completions_are_sourced_by_bash() {
    let script = "source <($L2GW completions bash) && COMP_WORDS=(l2gw switch '') COMP_CWORD=2 && _l2gw l2gw '' switch && \
                  echo \"${COMPREPLY[@]}\"";
    let said = shell("", script).expect(0);
    for word in ["list", "show", "diff", "repair", "hold", "release"] {
        assert!(said.out.contains(word), "{}", said.out);
    }
    for shell in ["zsh", "fish"] {
        assert!(alone(&["completions", shell]).expect(0).out.contains("l2-gateway-connection-create"));
    }
}

#[test]
fn manual_pages_are_rendered() {
    let directory = std::env::temp_dir().join(format!("vtepd-man-{}", std::process::id()));
    alone(&["manual", &directory.display().to_string()]).expect(0);
    let page = |name: &str| directory.join(name);
    let source = std::fs::read_to_string(page("l2gw-switch-diff.1")).expect("a page a command");
    assert!(source.contains("Nothing is sent"), "{source}");
    let overview = std::fs::read_to_string(page("l2gw.1")).expect("the page of l2gw");
    assert!(overview.contains("Exit codes"), "{overview}");
    // As people see it, where man is installed.
    match Command::new("man").arg("-l").arg(page("l2gw-gateway-create.1")).env("MANWIDTH", "100").output() {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(text.contains("SYNOPSIS") && text.contains("--device"), "{text}");
        }
        other => eprintln!("man is not installed: not rendered ({other:?})"),
    }
    std::fs::remove_dir_all(&directory).expect("the directory goes");
}
