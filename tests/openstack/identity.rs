//! A real Keystone (Debian's) on SQLite, with an admin, a plain member and a service account.

use std::{fs, net::SocketAddr, net::TcpListener, path::PathBuf};

use serde_json::{Value, json};

use crate::support::{
    PATIENCE, eventually,
    process::{Process, Scratch, run},
    rest::{Answer, Rest},
};

/// The password of everybody.
pub(crate) const PASSWORD: &str = "geheim";

/// A Keystone.
#[derive(Debug)]
pub(crate) struct Keystone {
    process: Option<Process>,
    address: SocketAddr,
    scratch: Scratch,
    /// The project `demo`, of `admin` and `member`.
    pub(crate) demo: String,
}

impl Keystone {
    /// Starts it; its tokens live so long, in seconds.
    pub(crate) fn start(expiration: u32) -> Self {
        let scratch = Scratch::new();
        let path = |name: &str| scratch.join(name).display().to_string();
        let conf = format!(
            "[DEFAULT]\nlog_file = {}\n[database]\nconnection = sqlite:///{}\n[token]\nprovider = fernet\nexpiration = \
             {expiration}\n[fernet_tokens]\nkey_repository = {}\n[fernet_receipts]\nkey_repository = {}\n[credential]\n\
             key_repository = {}\n[identity]\npassword_hash_rounds = 4\n",
            path("keystone.log"),
            path("keystone.db"),
            path("fernet"),
            path("fernet"),
            path("credential"),
        );
        fs::write(scratch.join("keystone.conf"), conf).expect("keystone.conf is written");
        let (user, group) = (run("id", &["-un"]), run("id", &["-gn"]));
        let manage = |args: &[&str]| {
            let config = path("keystone.conf");
            let all: Vec<&str> = ["--config-file", &config].into_iter().chain(args.iter().copied()).collect();
            run("keystone-manage", &all)
        };
        manage(&["db_sync"]);
        // Without it, a reader in the way of a writer is a random 500.
        run("sqlite3", &[path("keystone.db").as_str(), "PRAGMA journal_mode=WAL"]);
        let keys = ["--keystone-user", user.trim(), "--keystone-group", group.trim()];
        manage(&[["fernet_setup"].as_slice(), &keys].concat());
        manage(&[["credential_setup"].as_slice(), &keys].concat());
        // It can't be told to take a free port: one that was free a moment ago is.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its number");
        drop(listener);
        let url = format!("http://{address}/v3");
        manage(&["bootstrap", "--bootstrap-password", PASSWORD, "--bootstrap-public-url", &url]);
        let mut keystone = Self { process: None, address, scratch, demo: String::new() };
        keystone.resume();
        keystone.fill();
        keystone
    }

    fn fill(&mut self) {
        // A token for each call: on a busy machine all of them take longer than a token of a few seconds lives.
        let admin = || self.rest("admin", "admin");
        let id = |body: &Value, kind: &str| body[kind]["id"].as_str().expect("an id").to_owned();
        let project = |name: &str| {
            let body = json!({"project": {"name": name, "domain_id": "default"}});
            id(&admin().post("/v3/projects", &body).expect(201), "project")
        };
        let user = |name: &str| {
            let body = json!({"user": {"name": name, "password": PASSWORD, "domain_id": "default"}});
            id(&admin().post("/v3/users", &body).expect(201), "user")
        };
        let named = |kind: &str, name: &str| {
            let found = admin().get(&format!("/v3/{kind}?name={name}")).expect(200);
            found[kind][0]["id"].as_str().map(str::to_owned)
        };
        let role = |name: &str| {
            named("roles", name)
                .unwrap_or_else(|| id(&admin().post("/v3/roles", &json!({"role": {"name": name}})).expect(201), "role"))
        };
        let grant = |project: &str, user: &str, role: &str| {
            let path = format!("/v3/projects/{project}/users/{user}/roles/{role}");
            assert_eq!(admin().put(&path, &Value::Null).status, 204);
        };
        let (service, demo) = (project("service"), project("demo"));
        grant(&service, &user("vtepd"), &role("admin"));
        grant(&demo, &named("users", "admin").expect("admin"), &role("admin"));
        grant(&demo, &user("member"), &role("member"));
        user("stranger");
        self.demo = demo;
    }

    /// `auth_url`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn config(&self) -> PathBuf {
        self.scratch.join("keystone.conf")
    }

    /// Starts it (again), and waits until it answers.
    pub(crate) fn resume(&mut self) {
        let (host, port) = (self.address.ip().to_string(), self.address.port().to_string());
        let config = self.config().display().to_string();
        let args = ["--host", &host, "--port", &port];
        let environment = [("OS_KEYSTONE_CONFIG_FILES", config.as_str())];
        self.process =
            Some(Process::start("keystone-wsgi-public", &args, &environment, &self.scratch.join("wsgi.log")));
        let rest = Rest { address: self.address, token: None, described: false };
        eventually("Keystone", PATIENCE * 3, || {
            let answer = rest.raw("GET", "/v3/", &[("Connection", "close")], b"").map_err(|e| e.to_string())?;
            if answer.status == 200 { Ok(()) } else { Err(answer.status.to_string()) }
        });
    }

    pub(crate) fn stop(&mut self) {
        self.process = None;
    }

    /// A token of this user on this project (`""`: on none).
    pub(crate) fn token(&self, user: &str, project: &str) -> String {
        let mut auth = json!({"identity": {"methods": ["password"], "password": {"user": {
            "name": user, "domain": {"id": "default"}, "password": PASSWORD}}}});
        if !project.is_empty() {
            auth["scope"] = json!({"project": {"name": project, "domain": {"id": "default"}}});
        }
        let rest = Rest { address: self.address, token: None, described: false };
        let answer = rest.post("/v3/auth/tokens", &json!({"auth": auth}));
        assert_eq!(answer.status, 201, "{}", answer.json());
        answer.header("x-subject-token").expect("a token").to_owned()
    }

    /// Keystone's own API, as this user.
    pub(crate) fn rest(&self, user: &str, project: &str) -> Rest {
        Rest { address: self.address, token: Some(self.token(user, project)), described: false }
    }

    /// Revokes a token.
    pub(crate) fn revoke(&self, token: &str) {
        let admin = self.rest("admin", "admin");
        let revoked: Answer =
            admin.raw("DELETE", "/v3/auth/tokens", &[("X-Subject-Token", token)], b"").expect("an answer");
        assert_eq!(revoked.status, 204);
    }
}
