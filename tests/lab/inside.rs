//! A world of its own for each test: the test runs itself again inside new network, mount and process namespaces.
//!
//! Names of namespaces, interfaces and addresses can then be the same in every lab, however many run side by side; and
//! the kernel takes all of it away when the test ends, however it ends: namespaces, interfaces, tunnels, processes.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    thread,
};

/// Set inside.
const MARK: &str = "VTEPD_LAB_INSIDE";

/// Where the daemon finds the compute nodes' tokens.
pub(crate) const HOST_TOKENS: &str = "/run/host-tokens";

/// What every lab is made of; whoever is refused one of these can't have a lab.
const NEEDS: &str = "
    set -e
    for tool in ip bridge ethtool tcpdump ping arping ovs-vswitchd ovs-vsctl ovs-ofctl vtep-ctl; do
        command -v $tool >/dev/null || { echo \"$tool is not installed: packaging/deps.sh\"; exit 1; }
    done
    mount -t tmpfs lab /run
    ip netns add a
    ip link add v0 type veth peer name v1 netns a
    ip link add b0 type bridge
    ip link add x0 type vxlan id 1 dstport 4789
    { test -r /dev/net/tun && test -w /dev/net/tun; } || { echo 'this user may not open /dev/net/tun'; exit 1; }
";

/// Runs `body` in namespaces of its own. Where the machine has none to give the test is skipped, and says so; in CI
/// that is a failure.
pub(crate) fn inside(body: impl FnOnce()) {
    if env::var_os(MARK).is_some() {
        prepare();
        return body();
    }
    if let Err(why) = possible() {
        let why = format!("the lab needs network namespaces, and this machine gives none: {why}");
        assert!(env::var_os("CI").is_none(), "{why}");
        eprintln!("SKIPPED: {why}");
        return;
    }
    let thread = thread::current();
    let name = thread.name().expect("libtest names a test's thread after it");
    let exe = env::current_exe().expect("the test knows itself");
    let mut again = unshare(name == "show::show");
    again.arg(exe).args(["--exact", name, "--nocapture", "--include-ignored"]).env(MARK, "1");
    // The compute nodes have to find the daemon.
    again.env("VTEPD_API__LISTEN", "10.98.0.1:9797").env("VTEPD_API__HOST_TOKEN_FILE", HOST_TOKENS);
    // On a file system that goes with the lab, and where no other lab is; to be looked at afterwards, on a real one.
    let kept = env::temp_dir().join(format!("vtepd-lab-{}", std::process::id()));
    let keep = env::var_os("VTEPD_TEST_KEEP").is_some();
    if keep {
        fs::create_dir_all(&kept).expect("a directory to keep");
    }
    again.env("TMPDIR", if keep { kept.as_path() } else { Path::new("/run") });
    let mut child = again.spawn().expect("setpriv and unshare (util-linux) are installed");
    if name == "show::show" {
        open_door(child.id());
    }
    let status = child.wait().expect("the lab ends");
    assert!(status.success(), "inside the lab: {status}");
}

/// Ends with whoever started it; what runs inside ends with it. Who isn't root gets a user namespace and all rights in it:
/// as the same user, because tcpdump gives up the rights of a root, which that namespace lets nobody do; but as its root
/// where others will come in (`open_door`), who get no rights otherwise.
fn unshare(visited: bool) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "unshare"]);
    let user: &[&str] = if nix::unistd::Uid::effective().is_root() {
        &[]
    } else if visited {
        &["--map-root-user"]
    } else {
        &["--map-current-user", "--keep-caps"]
    };
    command.args(user);
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]);
    command
}

/// Writes the script by which others come in: `in NAMESPACE COMMAND…`, `-` for the lab's own.
fn open_door(unshare: u32) {
    let user = if nix::unistd::Uid::effective().is_root() { "" } else { "-U --preserve-credentials " };
    let script = format!(
        r#"#!/bin/sh
# in NAMESPACE COMMAND…: runs a command in a namespace of the lab; '-' is the one where the daemon is.
read -r pid _ </proc/{unshare}/task/{unshare}/children
ns=$1
shift
[ "$ns" = - ] || set -- nsenter --net="/run/netns/$ns" -- "$@"
exec nsenter -t "$pid" {user}-m -n -p -- "$@"
"#
    );
    let door = super::show::door();
    fs::write(&door, script).expect("the script is written");
    fs::set_permissions(&door, fs::Permissions::from_mode(0o755)).expect("the script can be run");
}

fn possible() -> Result<(), String> {
    let tried =
        unshare(false).args(["sh", "-c", NEEDS]).stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if tried.status.success() {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Err(format!("{} {} ({})", text(&tried.stdout), text(&tried.stderr), tried.status))
}

/// `ip netns` keeps its names under /run: ours are nobody else's.
fn prepare() {
    let done = Command::new("sh").args(["-c", "mount -t tmpfs lab /run && ip link set lo up"]).status();
    assert!(done.expect("sh runs").success(), "the lab's own /run");
}

/// Where namespaces are refused a test says so and is skipped; in CI it fails. `unshare` is a stand-in that refuses.
#[test]
fn without_namespaces_a_test_is_skipped_and_ci_fails() {
    let scratch = crate::support::process::Scratch::new();
    let unshare = scratch.join("unshare");
    fs::write(&unshare, "#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
        .expect("the stand-in");
    fs::set_permissions(&unshare, fs::Permissions::from_mode(0o755)).expect("the stand-in can be run");
    let path = format!("{}:{}", scratch.path().display(), env::var("PATH").unwrap_or_default());
    let run = |ci: Option<&str>| {
        let mut test = Command::new(env::current_exe().expect("the test knows itself"));
        test.args(["--exact", "reach::vm_and_bare_metal_reach_each_other", "--nocapture"]).env("PATH", &path);
        test.env_remove(MARK).env_remove("CI").envs(ci.map(|value| ("CI", value)));
        let output = test.output().expect("the test runs");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), said)
    };
    let refused = "the lab needs network namespaces, and this machine gives none";
    let (passes, said) = run(None);
    assert!(passes && said.contains(&format!("SKIPPED: {refused}")), "{said}");
    assert!(said.contains("unshare failed: Operation not permitted"), "why: {said}");
    let (passes, said) = run(Some("true"));
    assert!(!passes && said.contains(refused) && !said.contains("SKIPPED"), "{said}");
}
