//! What the declarations of the keys are turned into for people: the reference page and the example files.

use std::fmt::Write;

use super::{
    declare::{Effect, Key},
    keys::{
        AccountKeys, AdminKeys, ApiKeys, ClusterKeys, CommonKeys, DatabaseKeys, DefaultKeys, GatewayKeys, HostKeys,
        KeystoneKeys, ListenKeys, LogKeys, RelayKeys, SourceKeys, SwitchKeys, VtepdKeys,
    },
};

/// A section of plumgrid.ini.
#[derive(Debug)]
pub(super) struct SectionEntry {
    /// In lower case, without its name.
    pub(super) word: &'static str,
    /// As it is written.
    title: &'static str,
    /// Whether it is one of several: `[switch:NAME]`.
    pub(super) named: bool,
    about: &'static str,
    keys: &'static [&'static [Key]],
}

const fn single(
    word: &'static str,
    title: &'static str,
    about: &'static str,
    keys: &'static [&'static [Key]],
) -> SectionEntry {
    SectionEntry { word, title, named: false, about, keys }
}

/// The sections of plumgrid.ini, in the order of the reference.
pub(super) const SECTIONS: &[SectionEntry] = &[
    single("default", "DEFAULT", "Who vtepd is, and its log.", &[DefaultKeys::KEYS, LogKeys::KEYS]),
    single("database", "database", "The store of the desired state.", &[DatabaseKeys::KEYS]),
    single("api", "api", "The REST API.", &[ApiKeys::KEYS]),
    single("admin", "admin", "The admin socket and the journal.", &[AdminKeys::KEYS]),
    single("relay", "relay", "Learned MACs, and two switches in one gateway.", &[RelayKeys::KEYS, GatewayKeys::KEYS]),
    SectionEntry {
        word: "gateway",
        title: "gateway:NAME",
        named: true,
        about: "What one gateway has otherwise than `[relay]` says. The name is the gateway's.",
        keys: &[GatewayKeys::KEYS],
    },
    single(
        "l2gateway",
        "l2gateway",
        "Defaults of every switch. Each key but the account's can be set in `[switch:NAME]` too.",
        &[AccountKeys::KEYS, CommonKeys::KEYS],
    ),
    single("source", "source", "Where networks and ports come from.", &[SourceKeys::KEYS]),
    single(
        "keystone_authtoken",
        "keystone_authtoken",
        "For `auth = keystone`: where Keystone is, and the account that validates tokens.",
        &[KeystoneKeys::KEYS],
    ),
    SectionEntry {
        word: "switch",
        title: "switch:NAME",
        named: true,
        about: "One section a switch. The name is the device name in the API.",
        keys: &[SwitchKeys::KEYS],
    },
    single("listen", "listen", "Where switches with `transport = passive` dial in.", &[ListenKeys::KEYS]),
    single(
        "cluster",
        "cluster",
        "Several daemons. Not built yet: only the defaults are accepted.",
        &[ClusterKeys::KEYS],
    ),
    single(
        "plumgriddirector",
        "plumgriddirector",
        "Accepted and ignored: the original file's keys belong to a director that does not exist here.",
        &[],
    ),
];

/// The sections of vtep-hostd.ini, in the order of the reference.
const HOSTD_SECTIONS: &[SectionEntry] = &[
    single("default", "DEFAULT", "The log.", &[LogKeys::KEYS]),
    single("vtepd", "vtepd", "The daemon that is followed.", &[VtepdKeys::KEYS]),
    single("host", "host", "This compute node.", &[HostKeys::KEYS]),
];

/// Sections that the example leaves out: nothing in them can be set.
const WITHOUT_EXAMPLE: [&str; 2] = ["cluster", "plumgriddirector"];
/// Keys that the examples set, not in comments.
const SET: [&str; 2] = ["url", "local_ip"];

const HEAD: &str = "\
# plumgrid.ini: the configuration of vtepd. Copy it to /etc/vtepd/plumgrid.ini (mode 0640, owner root, group vtepd).
#
# The format is oslo.config's INI: '#' or ';' begins a comment line; an indented line continues the value above it;
# nothing inside a value is escaped or substituted, so a password may hold any character. Quotes around a whole value
# are removed. Durations: 500ms, 3s, 5m, 4h; a bare number counts seconds. Lists are separated by commas.
#
# The environment overrides the file: VTEPD_API__LISTEN, VTEPD_SWITCH__TOR_SWITCH_1__PASSWORD (in a switch's name,
# every character but letters and digits becomes '_').
#
# vtepd --check reads this file, tries each switch and changes nothing. After a change: systemctl reload vtepd.
# Switches and log settings take effect at once; the log names the keys that need a restart.
# Keys in comments have the value that is shown by default, or show an example where there is no default.
";

const HOSTD_HEAD: &str = "\
# vtep-hostd.ini: the configuration of vtep-hostd, a compute node's half. Copy it to /etc/vtepd/vtep-hostd.ini.
#
# The format is plumgrid.ini's. The environment overrides the file: VTEP_HOSTD_HOST__LOCAL_IP.
# vtep-hostd --check reads this file, tries the kernel and vtepd, and changes nothing.
# After a change: systemctl restart vtep-hostd. Interfaces and entries stay meanwhile; then they are brought in line. After
# a change of local_ip, port or device the VXLAN devices are created again, because the kernel can't change these: a short loss.
# Keys in comments have the value that is shown by default, or show an example where there is no default.
";

/// Switches of every kind, for the end of the example.
const SWITCHES: &str = "\
[switch:tor-switch-1]
management_ip = 192.0.2.11

[switch:tor-switch-2]
management_ip = 192.0.2.12

# TLS, with a pinned certificate instead of a CA:
#[switch:tor-switch-3]
#transport = ssl
#management_ip = 192.0.2.13
#peer_fingerprint = SHA256:9F:86:D0:81:88:4C:7D:65:9A:2F:EA:A0:C5:5A:D0:15:A3:BF:4F:1B:2B:0B:82:2C:D1:5D:6C:15:B0:F0:0A:08

# SSH: vtepd logs in and opens the switch's own OVSDB socket:
#[switch:tor-switch-4]
#transport = ssh
#management_ip = 192.0.2.14
#username = admin
#password_file = /etc/vtepd/tor-switch-4.password
#host_key_fingerprint = SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDPTcuwJQZ3DfgFiDI
#ovsdb_socket = /var/run/openvswitch/db.sock

# A switch that dials in; its Physical_Switch has the section's name, and so has its certificate:
#[switch:tor-switch-5]
#transport = passive

# An OVSDB server on this machine:
#[switch:emulated]
#transport = unix
#ovsdb_socket = /run/openvswitch/db.sock
";

/// The keys of a switch, as the example shows them: which of them go together is shown below them.
fn switch_keys(out: &mut String) {
    for key in SwitchKeys::KEYS {
        // A line that isn't `#key = …`: the example stays right when every such line is uncommented.
        out.push_str(&comment(key, &format!("{}: ", key.name)));
    }
}

/// plumgrid.ini.example.
#[must_use]
pub fn example() -> String {
    let mut out = HEAD.to_owned();
    for section in SECTIONS.iter().filter(|section| !WITHOUT_EXAMPLE.contains(&section.word)) {
        if section.word == "switch" {
            let _ = write!(out, "\n# {}\n", plain(section.about));
            switch_keys(&mut out);
            out.push_str(SWITCHES);
        } else {
            write_section(&mut out, section);
        }
    }
    out
}

/// vtep-hostd.ini.example.
#[must_use]
pub fn hostd_example() -> String {
    let mut out = HOSTD_HEAD.to_owned();
    for section in HOSTD_SECTIONS {
        write_section(&mut out, section);
    }
    out
}

fn write_section(out: &mut String, section: &SectionEntry) {
    let commented = if section.named || section.word == "listen" { "#" } else { "" };
    let title = section.title.replace("NAME", "vtep-gateway-1");
    let _ = write!(out, "\n# {}\n{commented}[{title}]\n", plain(section.about));
    for key in section.keys.iter().copied().flatten() {
        out.push_str(&comment(key, ""));
        let set = if SET.contains(&key.name) { "" } else { "#" };
        let _ = writeln!(out, "{}", format!("{set}{} = {}", key.name, key.example).trim_end());
    }
}

/// The documentation of a key as comment lines.
fn comment(key: &Key, before: &str) -> String {
    let mut out = String::new();
    for (index, line) in key.doc.iter().enumerate() {
        let before = if index == 0 { before } else { "" };
        let _ = writeln!(out, "# {before}{}", plain(line.trim()));
    }
    out
}

/// Without Markdown's marks.
fn plain(text: &str) -> String {
    text.replace('`', "")
}

/// docs/configuration.md.
#[must_use]
pub fn page() -> String {
    let mut out = "\
# Configuration

This page is generated from the declarations in `src/config/keys.rs`; `make reference` writes it.

vtepd reads `/etc/vtepd/plumgrid.ini`. [plumgrid.ini.example](../plumgrid.ini.example) has every key with its documentation. vtepd reports all
errors at once, with file, line and fix. The environment overrides the file: `VTEPD_API__LISTEN`,
`VTEPD_SWITCH__TOR_SWITCH_1__PASSWORD`. A file with a password must not be readable by others.

Durations are `500ms`, `3s`, `5m`, `4h`; a bare number counts seconds. Lists are separated by commas. An unknown key is an error.

`systemctl reload vtepd` (SIGHUP) reads the file again. Switches are added, changed and removed without touching the sessions of the
others. Keys marked *restart* take effect after a restart; the log names those that changed. A file with errors changes nothing.
"
    .to_owned();
    for section in SECTIONS {
        write_table(&mut out, section);
    }
    out.push_str("\n# vtep-hostd.ini\n\n`/etc/vtepd/vtep-hostd.ini` on each compute node. Every key takes effect after a restart.\n");
    for section in HOSTD_SECTIONS {
        write_table(&mut out, section);
    }
    out
}

fn write_table(out: &mut String, section: &SectionEntry) {
    let _ = write!(out, "\n## [{}]\n\n{}\n", section.title, section.about);
    if section.keys.is_empty() {
        return;
    }
    out.push_str("\n| key | value | default | effect | |\n|---|---|---|---|---|\n");
    for key in section.keys.iter().copied().flatten() {
        let default = key.default.filter(|text| !text.is_empty()).map(|text| format!("`{text}`")).unwrap_or_default();
        let effect = match key.effect {
            Effect::Reload => "reload",
            Effect::Restart => "restart",
        };
        let doc: Vec<&str> = key.doc.iter().map(|line| line.trim()).collect();
        let _ = writeln!(out, "| `{}` | {} | {default} | {effect} | {} |", key.name, key.form, doc.join(" "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn every_default_is_a_value_of_its_key() {
        let none: [(&str, &str); 0] = [];
        // Reading an empty file reads the default of each key.
        let config = Config::parse(std::path::Path::new("p.ini"), b"", 0o100_600, none).unwrap();
        assert!(config.switches.is_empty());
        let _ = (SwitchKeys::builtin(), VtepdKeys::builtin(), HostKeys::builtin());
    }

    #[test]
    fn a_key_has_one_declaration_in_a_section_and_its_documentation() {
        for section in SECTIONS.iter().chain(HOSTD_SECTIONS) {
            let mut names: Vec<&str> = section.keys.iter().copied().flatten().map(|key| key.name).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "[{}]", section.title);
            for key in section.keys.iter().copied().flatten() {
                assert!(key.doc.iter().any(|line| line.trim().len() > 3), "{}", key.name);
                assert!(!key.form.is_empty(), "{}", key.name);
            }
        }
    }
}
