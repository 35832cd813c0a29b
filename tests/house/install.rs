//! `make install`: what it puts where is what the units, their users and the shells look for.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What was installed, in a directory that goes with it.
struct Installed(PathBuf);

impl Installed {
    fn new(what: &str) -> Self {
        let root = std::env::temp_dir().join(format!("vtepd-house-{what}-{}", std::process::id()));
        let built = Path::new(env!("CARGO_BIN_EXE_vtepd")).parent().expect("it lies in a directory");
        let mut make = Command::new("make");
        make.current_dir(env!("CARGO_MANIFEST_DIR")).args(["--silent", "install"]);
        make.arg(format!("BUILT={}", built.display())).arg(format!("DESTDIR={}", root.display()));
        // A test's own job server is nothing to a make of its own.
        make.env_remove("MAKEFLAGS").env_remove("MFLAGS").env_remove("PREFIX");
        let output = make.output().expect("make runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self(root)
    }

    /// Where a path of the system's is.
    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// All files, as the system will see them.
    fn files(&self) -> BTreeSet<String> {
        let (mut files, mut left) = (BTreeSet::new(), vec![self.0.clone()]);
        while let Some(directory) = left.pop() {
            for entry in fs::read_dir(directory).expect("a directory") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    left.push(path);
                } else {
                    files.insert(format!("/{}", path.strip_prefix(&self.0).expect("below it").display()));
                }
            }
        }
        files
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_is_installed_is_whole() {
    let installed = Installed::new("installed");
    let files = installed.files();
    let mut expected: BTreeSet<String> = [
        "/usr/bin/vtepd",
        "/usr/bin/l2gw",
        "/usr/bin/vtep-hostd",
        "/usr/share/bash-completion/completions/l2gw",
        "/usr/share/zsh/vendor-completions/_l2gw",
        "/usr/share/fish/vendor_completions.d/l2gw.fish",
        "/usr/share/man/man8/vtepd.8",
        "/usr/share/man/man8/vtep-hostd.8",
        "/usr/share/doc/vtepd/README.md",
        "/usr/share/doc/vtepd/plumgrid.ini.example",
        "/usr/share/doc/vtepd/vtep-hostd.ini.example",
    ]
    .map(str::to_owned)
    .into();
    for page in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).expect("a directory") {
        let page = page.expect("an entry").path();
        if page.extension().is_some_and(|extension| extension == "md") {
            let name = page.file_name().and_then(|name| name.to_str()).expect("a name");
            expected.insert(format!("/usr/share/doc/vtepd/docs/{name}"));
        }
    }
    // Whatever lies in packaging/ for systemd.
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    for (from, to) in [("systemd", "systemd/system"), ("sysusers", "sysusers.d"), ("tmpfiles", "tmpfiles.d")] {
        for entry in fs::read_dir(packaging.join(from)).expect("a directory") {
            let name = entry.expect("an entry").file_name();
            expected.insert(format!("/usr/lib/{to}/{}", name.to_str().expect("a name")));
        }
    }
    let pages: BTreeSet<String> =
        files.iter().filter(|file| file.starts_with("/usr/share/man/man1/")).cloned().collect();
    assert!(pages.contains("/usr/share/man/man1/l2gw.1") && pages.len() > 30, "{pages:?}");
    let rest: BTreeSet<String> = files.difference(&pages).cloned().collect();
    assert_eq!(rest, expected);

    // Each unit's program, manual page and documentation are there, and the program runs.
    for name in ["vtepd", "vtep-hostd"] {
        let unit = installed.text(&format!("/usr/lib/systemd/system/{name}.service"));
        let value = |key: &str| {
            let line = unit.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("{name}: {key}"));
            line.to_owned()
        };
        let start = value("ExecStart=");
        let program = start.split(' ').next().expect("a program");
        let said = Command::new(installed.at(program)).arg("--version").output().expect("it runs");
        assert_eq!(String::from_utf8_lossy(&said.stdout), format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
        for documentation in value("Documentation=").split(' ') {
            let path = match documentation.split_once(':') {
                Some(("man", page)) => format!("/usr/share/man/man8/{}", page.replace('(', ".").replace(')', "")),
                Some(("file", path)) => path.trim_start_matches("//").to_owned(),
                _ => panic!("{name}: {documentation}"),
            };
            assert!(files.contains(&path), "{name}: {path} is not installed");
        }
        let page = installed.text(&format!("/usr/share/man/man8/{name}.8"));
        assert!(page.contains(&format!(".TH {name} 8")) && page.contains("Exit codes"), "{page}");
    }
}

/// The users and directories that the units need are made by what is installed: tried by systemd itself.
#[test]
fn the_units_find_their_user_and_directories() {
    let there = |program: &str| Command::new(program).arg("--version").output().is_ok_and(|said| said.status.success());
    let root = nix::unistd::Uid::effective().is_root();
    if !(root && there("systemd-sysusers") && there("systemd-tmpfiles")) {
        eprintln!("SKIPPED: it needs root, systemd-sysusers and systemd-tmpfiles");
        return;
    }
    let installed = Installed::new("users");
    fs::create_dir_all(installed.at("/etc/vtepd")).expect("a directory");
    fs::write(installed.at("/etc/vtepd/plumgrid.ini"), "").expect("a file");
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.arg(format!("--root={}", installed.0.display())).args(arguments);
        let said = command.output().expect("it runs");
        assert!(said.status.success(), "{program}: {}", String::from_utf8_lossy(&said.stderr));
    };
    run("systemd-sysusers", &["vtepd.conf"]);
    run("systemd-tmpfiles", &["--create", "vtepd.conf"]);
    let (users, groups) = (installed.text("/etc/passwd"), installed.text("/etc/group"));
    for (unit, key) in [("vtepd", "User="), ("vtepd", "Group="), ("vtep-hostd", "SupplementaryGroups=")] {
        let unit = installed.text(&format!("/usr/lib/systemd/system/{unit}.service"));
        let name = unit.lines().find_map(|line| line.strip_prefix(key)).expect("the key");
        let known = if key == "User=" { &users } else { &groups };
        assert!(known.lines().any(|line| line.starts_with(&format!("{name}:"))), "{key}{name} is not made: {known}");
    }
    for (path, mode) in [("/etc/vtepd", 0o750), ("/etc/vtepd/plumgrid.ini", 0o640), ("/var/lib/vtepd", 0o700)] {
        use std::os::unix::fs::PermissionsExt as _;
        let found = fs::metadata(installed.at(path)).expect(path).permissions().mode() & 0o7777;
        assert_eq!(found, mode, "{path}: {found:o}");
    }
}
