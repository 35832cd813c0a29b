//! Sizes and shapes of files, and the example of the configuration.

use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::PathBuf};

use vtepd::config::{self, Config, ConfigProblem, HostdConfig};

use crate::arrows::sources;

/// Beyond this there is a second room in a file.
const LONGEST: usize = 600;

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn no_file_is_too_long_and_none_is_called_mod() {
    let top = top();
    let mut found = Vec::new();
    for path in
        ["src", "crates", "tests", "benches"].map(|directory| top.join(directory)).iter().filter(|path| path.is_dir())
    {
        for file in sources(path) {
            let lines = fs::read_to_string(&file).expect("sources are UTF-8").lines().count();
            if lines > LONGEST {
                found.push(format!("{} has {lines} lines, more than {LONGEST}", file.display()));
            }
            if file.file_name().is_some_and(|name| name == "mod.rs") {
                found.push(format!("{}: a module is foo.rs beside foo/", file.display()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A private copy of a configuration, which goes when the test ends.
struct Copy(PathBuf);

impl Copy {
    fn of(text: &str, name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vtepd-house-{}-{name}.ini", std::process::id()));
        let _ = fs::remove_file(&path);
        let file = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).expect("the copy is written");
        Self(path)
    }

    fn load(&self) -> Result<Config, vtepd::config::ConfigErrors> {
        let none: [(&str, &str); 0] = [];
        Config::load(&self.0, none)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn example() -> String {
    fs::read_to_string(top().join("plumgrid.ini.example")).expect("the example is there")
}

/// The reference page and the examples are what the declarations of the keys say. `make reference` writes them.
#[test]
fn the_reference_is_what_the_declarations_say() {
    let files = [
        ("docs/configuration.md", config::page()),
        ("plumgrid.ini.example", config::example()),
        ("vtep-hostd.ini.example", config::hostd_example()),
    ];
    for (name, expected) in files {
        let path = top().join(name);
        if std::env::var_os("VTEPD_WRITE_REFERENCE").is_some() {
            fs::write(&path, &expected).expect("the file is written");
        }
        let found = fs::read_to_string(&path).expect("the file is there");
        assert!(found == expected, "{name} is not what src/config/keys.rs declares: run make reference");
    }
}

#[test]
fn the_example_starts_as_it_is() {
    let config = Copy::of(&example(), "example").load().unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.switches.keys().collect::<Vec<_>>(), ["tor-switch-1", "tor-switch-2"]);
    assert!(config.notices.is_empty(), "{:?}", config.notices);
}

/// With the settings that stand in comments.
fn uncommented(text: &str) -> String {
    let is_setting = |line: &str| {
        let key = line.split(" =").next().unwrap_or_default();
        line.contains('=') && !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    let uncommented: Vec<String> = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if is_setting(rest) || rest.starts_with('[') => rest.to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    uncommented.join("\n")
}

#[test]
fn the_compute_nodes_example_starts_as_it_is_and_shows_the_defaults() {
    let none: [(&str, &str); 0] = [];
    let text = fs::read_to_string(top().join("vtep-hostd.ini.example")).expect("the example is there");
    let load = |text: &str, name: &str| HostdConfig::load(&Copy::of(text, name).0, none);
    let example = load(&text, "hostd").unwrap_or_else(|errors| panic!("{errors}"));
    // What it shows in comments are the defaults, but for files that would have to be there, and a few examples.
    let examples = ["default_log_levels", "token_file", "ca_cert", "name", "device", "mtu"];
    let shown: Vec<String> = uncommented(&text)
        .lines()
        .filter(|line| !examples.iter().any(|key| line.starts_with(&format!("{key} ="))))
        .map(str::to_owned)
        .collect();
    let shown = load(&shown.join("\n"), "hostd-shown").unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(shown, example);
    let everything = uncommented(&text).replace("http:", "https:");
    let Err(errors) = load(&everything, "hostd-all") else { panic!("the token file of the example exists") };
    let others: Vec<String> = errors
        .iter()
        .filter(|error| !matches!(&error.problem, ConfigProblem::BadValue { key, .. } if key == "token_file"))
        .map(ToString::to_string)
        .collect();
    assert!(others.is_empty(), "{}", others.join("\n"));
}

#[test]
fn what_the_example_comments_out_is_right_too_and_shows_the_defaults() {
    // Neutron's database is an example beside the default.
    let text = uncommented(&example()).replace("driver = native", "driver = neutron-db");
    let Err(errors) = Copy::of(&text, "uncommented").load() else { panic!("the password file of the example exists") };
    let others: Vec<String> = errors
        .iter()
        .filter(|error| !matches!(&error.problem, ConfigProblem::BadValue { key, .. } if key == "password_file"))
        .map(ToString::to_string)
        .collect();
    assert!(others.is_empty(), "{}", others.join("\n"));

    // What [api], [admin], [DEFAULT] and [database] show in comments are the defaults, but for a few examples.
    let examples =
        ["host_token_file", "default_log_levels", "monitoring_listen", "group", "tls_certificate", "tls_private_key"];
    let until_switches = text.split("[l2gateway]").next().unwrap_or_default();
    let shown: Vec<&str> = until_switches
        .lines()
        .filter(|line| !examples.iter().any(|key| line.starts_with(&format!("{key} ="))))
        .collect();
    let shown = Copy::of(&shown.join("\n"), "shown").load().unwrap_or_else(|errors| panic!("{errors}"));
    let defaults = Copy::of("", "defaults").load().unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(shown, defaults);
}

/// The command line writes in one file alone, which escapes what names hold.
#[test]
fn only_the_terminals_file_writes() {
    let cli = top().join("src/cli");
    let mut files = sources(&cli);
    files.push(cli.with_extension("rs"));
    for path in files.iter().filter(|path| !path.ends_with("cli/terminal.rs")) {
        let text = fs::read_to_string(path).expect("sources are UTF-8");
        for writes in ["println!", "print!(", "io::stdout", "io::stderr"] {
            let found = text.lines().find(|line| line.contains(writes));
            assert_eq!(found, None, "{} writes by itself: use src/cli/terminal.rs", path.display());
        }
    }
}
