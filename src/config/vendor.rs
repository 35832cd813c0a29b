//! What is known of a vendor's switches, as data: what a schema doesn't say.

use std::time::Duration;

use super::LockPolicy;

/// `vendor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Vendor {
    /// Nothing is known.
    #[default]
    Generic,
    /// Arista CVX: many Physical_Switches behind one session.
    Arista,
    /// Cumulus: service nodes only.
    Cumulus,
    /// Dell OS10.
    Dell,
    /// Extreme EXOS: schema 1.3.
    Extreme,
    /// HPE Comware: its command line writes rows, too.
    Hpe,
    /// Juniper QFX: it dials in, by TLS.
    Juniper,
}

/// What a vendor's switches are like. Where no fact is verified, a profile has what `generic` has, and nothing is made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    word: &'static str,
    vendor: Vendor,
    /// Whether a switch can send broadcasts to one member of a flood list only.
    pub one_node: bool,
    /// Transports by which its switches can be reached; empty: all.
    pub transports: &'static [&'static str],
    /// `inactivity_probe`, where plumgrid.ini says nothing.
    pub probe: Duration,
    /// Whether the switch itself may never probe, so that a dead session is ours alone to find.
    pub silent: bool,
    /// `lock`, where plumgrid.ini says nothing.
    pub lock: LockPolicy,
    /// Whether rows that a controller writes into the table Manager are worth anything.
    pub manager_rows: bool,
}

/// No vendor is known to lack locks (`auto` finds out), to need another probe, or to pass over rows of Manager.
const GENERIC: Profile = Profile {
    word: "generic",
    vendor: Vendor::Generic,
    one_node: false,
    transports: &[],
    probe: Duration::from_secs(5),
    silent: false,
    lock: LockPolicy::Auto,
    manager_rows: true,
};

const PROFILES: [Profile; 7] = [
    GENERIC,
    // Many Physical_Switches behind one session: what sections with one address are for any vendor.
    Profile { word: "arista", vendor: Vendor::Arista, ..GENERIC },
    Profile { word: "cumulus", vendor: Vendor::Cumulus, one_node: true, ..GENERIC },
    Profile { word: "dell", vendor: Vendor::Dell, transports: &["ssl", "passive", "ssh"], ..GENERIC },
    // Schema 1.3 is found out, and BFD is off for any vendor until it is asked for.
    Profile { word: "extreme", vendor: Vendor::Extreme, ..GENERIC },
    // Its command line writes rows, too: rows of others stay for any vendor.
    Profile { word: "hpe", vendor: Vendor::Hpe, ..GENERIC },
    Profile {
        word: "juniper",
        vendor: Vendor::Juniper,
        transports: &["passive", "ssl", "ssh"],
        silent: true,
        ..GENERIC
    },
];

impl Vendor {
    /// The vendor of a word; `None`: it is a note of the operator's.
    pub(super) fn named(word: &str) -> Option<Self> {
        PROFILES.iter().find(|profile| profile.word.eq_ignore_ascii_case(word)).map(|profile| profile.vendor)
    }

    /// What is known of it.
    #[must_use]
    pub fn profile(self) -> &'static Profile {
        PROFILES.iter().find(|profile| profile.vendor == self).unwrap_or(&PROFILES[0])
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        PROFILES.iter().map(|profile| profile.vendor)
    }

    /// As plumgrid.ini spells it.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.profile().word
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, ConfigErrors, SwitchConfig};

    fn parse(lines: &str) -> Result<Config, ConfigErrors> {
        let text = format!("[switch:t]\nmanagement_ip = 192.0.2.1\n{lines}");
        let none: [(&str, &str); 0] = [];
        Config::parse(Path::new("plumgrid.ini"), text.as_bytes(), 0o100_600, none)
    }

    fn switch(lines: &str) -> SwitchConfig {
        parse(lines).unwrap().switches.remove("t").unwrap()
    }

    #[test]
    fn every_profile_gives_the_defaults_and_plumgrid_ini_goes_before() {
        assert_eq!(Vendor::all().count(), 7);
        for vendor in Vendor::all() {
            let (word, profile) = (vendor.word(), vendor.profile());
            assert_eq!(Vendor::named(&word.to_uppercase()), Some(vendor));
            let plain = switch(&format!("vendor = {word}\n"));
            assert_eq!((plain.vendor, plain.lock, plain.inactivity_probe), (vendor, profile.lock, profile.probe));
            let said = switch(&format!("vendor = {word}\nlock = required\ninactivity_probe = 9s\n"));
            assert_eq!((said.lock, said.inactivity_probe), (LockPolicy::Required, Duration::from_secs(9)));
            let never = parse(&format!("vendor = {word}\ninactivity_probe = 0\n"));
            assert_eq!(never.is_err(), profile.silent, "{word}: {never:?}");
            // What is known of transports and managers is told, and no error.
            let notices = parse(&format!("vendor = {word}\nmanager_targets = tcp:192.0.2.9:6640\n")).unwrap().notices;
            let expected = usize::from(!profile.transports.is_empty()) + usize::from(!profile.manager_rows);
            assert_eq!(notices.len(), expected, "{word}: {notices:?}");
        }
        let facts = |vendor: Vendor| (vendor.profile().one_node, vendor.profile().silent, vendor.profile().transports);
        assert_eq!(facts(Vendor::Cumulus), (true, false, &[][..]));
        assert_eq!(facts(Vendor::Dell), (false, false, &["ssl", "passive", "ssh"][..]));
        assert_eq!(facts(Vendor::Juniper), (false, true, &["passive", "ssl", "ssh"][..]));
        for vendor in [Vendor::Generic, Vendor::Arista, Vendor::Extreme, Vendor::Hpe] {
            assert_eq!(facts(vendor), (false, false, &[][..]), "nothing is made up");
        }
    }

    #[test]
    fn any_other_word_is_a_note() {
        assert_eq!(switch("vendor = the one in the basement\n").vendor, Vendor::Generic);
    }
}
