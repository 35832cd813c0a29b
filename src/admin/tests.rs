use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{fleet::Fleet, service::Settings, store::Store};

const PATIENCE: Duration = Duration::from_secs(20);

/// A directory of one test; gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vtepd-admin-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn config(&self) -> AdminConfig {
        AdminConfig {
            socket: self.0.join("admin.sock"),
            group: None,
            journal_age: Duration::from_hours(1),
            journal_size: 1 << 20,
        }
    }

    async fn service(&self) -> Service {
        let store = Store::open(&self.0.join("vtepd.db")).await.unwrap();
        #[allow(clippy::single_range_in_vec_init)] // one range of VNIs is what is meant
        Service::new(store, Fleet::detached(), Settings { vni_ranges: vec![1000..=65535], max_ports_per_host: 8 })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Ears that hear nothing.
fn controls() -> Controls {
    let (log, _) = crate::telemetry::LogHandle::detached();
    Controls { log, reload: tokio::sync::mpsc::channel(1).0 }
}

struct Running {
    scratch: Scratch,
    service: Service,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

async fn run() -> Running {
    let scratch = Scratch::new();
    let service = scratch.service().await;
    let server = AdminServer::bind(&scratch.config(), service.clone(), controls()).unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(server.serve(shutdown.clone()));
    Running { scratch, service, shutdown, task }
}

/// One request over a connection of its own; the answer's JSON.
async fn post(socket: &Path, body: &Value) -> Value {
    let body = body.to_string();
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
    let (_, json) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}: {answer}"))
}

impl Running {
    async fn call(&self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        post(&self.scratch.config().socket, &request).await
    }

    async fn ok(&self, method: &str, params: Value) -> Value {
        let mut answer = self.call(method, params).await;
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].take()
    }

    /// Code, type and message of an error.
    async fn refused(&self, method: &str, params: Value) -> (i64, String, String) {
        let answer = self.call(method, params).await;
        let error = &answer["error"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (error["code"].as_i64().unwrap(), text(&error["data"]["type"]), text(&error["message"]))
    }
}

#[tokio::test]
async fn gateways_and_connections_are_managed_in_the_shapes_of_v2() {
    let admin = run().await;
    let draft = crate::service::NetworkDraft {
        name: "network1".into(),
        tenant_id: None,
        segment: crate::service::SegmentRequest::Allocate,
        attributes: crate::service::GivenAttributes::new(),
    };
    let network = admin.service.create_network(&crate::service::Caller::default(), draft).await.unwrap();
    let devices = json!([{"device_name": "tor-1", "interfaces": [{"name": "e1", "segmentation-id": []}]}]);
    let created = admin.ok("gateway_create", json!({"l2_gateway": {"name": "gw", "devices": devices}})).await;
    let id = created["l2_gateway"]["id"].clone();
    assert_eq!(created, json!({"l2_gateway": {"id": id, "tenant_id": "", "name": "gw", "devices": devices}}));
    assert_eq!(admin.ok("gateway_show", json!({"gateway": "gw"})).await, created);
    assert_eq!(admin.ok("gateway_list", json!({})).await, json!({"l2_gateways": [created["l2_gateway"]]}));
    let change = json!({"gateway": id, "l2_gateway": {"name": "gw2", "devices": [
        {"device_name": "tor-1", "new_interfaces": [{"name": "e1", "segmentation-id": [9]}]}]}});
    let changed = admin.ok("gateway_update", change).await;
    assert_eq!(changed["l2_gateway"]["devices"][0]["interfaces"][0]["segmentation-id"], json!([9]));

    let body = json!({"gateway_id": "gw2", "network_id": "network1", "default_segmentation_id": 50});
    let connection = admin.ok("connection_create", body.clone()).await;
    assert_eq!((&connection["gateway_id"], &connection["network_id"]), (&id, &json!(network.id)));
    let one = json!({"connection": connection["connection_id"]});
    assert_eq!(admin.ok("connection_show", one.clone()).await, connection);
    assert_eq!(admin.ok("connection_list", Value::Null).await, json!({"l2_gateway_connections": [connection]}));
    assert_eq!(admin.ok("connection_status", one.clone()).await["connection_id"], connection["connection_id"]);

    let again = admin.refused("connection_create", body).await;
    assert_eq!((again.0, again.1.as_str()), (-32049, "L2GatewayConnectionExists"));
    let used = admin.refused("gateway_delete", json!({"gateway": "gw2"})).await;
    assert_eq!((used.0, used.1.as_str()), (-32049, "L2GatewayInUse"));
    assert_eq!(admin.ok("connection_delete", one).await, Value::Null);
    assert_eq!(admin.ok("gateway_delete", json!({"gateway": "gw2"})).await, Value::Null);
    let gone = admin.refused("gateway_show", json!({"gateway": "gw2"})).await;
    assert_eq!((gone.0, gone.1.as_str()), (-32044, "L2GatewayNotFound"));
}

#[tokio::test]
async fn wrong_parameters_name_the_member() {
    let admin = run().await;
    for (method, params, message) in [
        ("gateway_show", json!({}), "missing field `gateway`"),
        ("gateway_show", json!({"gateway": 5}), "gateway: invalid type: integer `5`, expected a string"),
        ("gateway_show", json!(["gw"]), "expected an object"),
        ("gateway_list", json!({"name": "x"}), "unknown field `name`"),
        ("gateway_create", json!({"l2_gateway": {"name": "g"}}), "l2_gateway.devices: is missing"),
        ("connection_create", json!({"gateway_id": "g"}), "network_id: is missing"),
    ] {
        let (code, kind, found) = admin.refused(method, params).await;
        assert_eq!((code, kind.as_str()), (-32602, "InvalidInput"), "{found}");
        assert!(found.contains(message), "{method}: {found}");
    }
    assert_eq!(admin.refused("no_such_method", json!({})).await.0, -32601);
}

#[tokio::test]
async fn switches_and_status_are_told() {
    let admin = run().await;
    assert_eq!(admin.ok("switch_list", json!({})).await, json!({"switches": []}));
    assert_eq!(admin.refused("switch_show", json!({"switch": "tor-1"})).await.1, "SwitchNotFound");
    let status = admin.ok("status", json!({})).await;
    assert_eq!((&status["version"], &status["ready"]), (&json!(env!("CARGO_PKG_VERSION")), &json!(true)));
}

#[tokio::test]
async fn a_stop_closes_the_socket_and_removes_its_file() {
    let admin = run().await;
    let socket = admin.scratch.config().socket;
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    admin.ok("status", json!({})).await;
    let mut idle = UnixStream::connect(&socket).await.unwrap();
    admin.shutdown.cancel();
    timeout(PATIENCE, admin.task).await.expect("it stops with an idle connection").unwrap();
    let mut rest = Vec::new();
    assert_eq!(idle.read_to_end(&mut rest).await.unwrap_or(0), 0);
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_live_one_refused() {
    let scratch = Scratch::new();
    let (config, service) = (scratch.config(), scratch.service().await);
    // What a killed daemon leaves: a socket that nobody listens on.
    drop(UnixListener::bind(&config.socket).unwrap());
    assert!(config.socket.exists());
    let server = AdminServer::bind(&config, service.clone(), controls()).unwrap();
    let refused = AdminServer::bind(&config, service.clone(), controls());
    assert!(matches!(refused, Err(AdminError::Live(_))), "{refused:?}");
    assert!(config.socket.exists(), "the refused one removes nothing");
    drop(server);

    // A client that takes no lock.
    let foreign = UnixListener::bind(&config.socket).unwrap();
    assert!(matches!(AdminServer::bind(&config, service.clone(), controls()), Err(AdminError::Live(_))));
    assert!(config.socket.exists());
    drop(foreign);
    fs::remove_file(&config.socket).unwrap();

    fs::write(&config.socket, "precious").unwrap();
    assert!(matches!(AdminServer::bind(&config, service.clone(), controls()), Err(AdminError::NotASocket(_))));
    assert_eq!(fs::read_to_string(&config.socket).unwrap(), "precious");
    fs::remove_file(&config.socket).unwrap();

    let nobody = AdminConfig { group: Some("no-such-group".into()), ..config.clone() };
    assert!(matches!(AdminServer::bind(&nobody, service.clone(), controls()), Err(AdminError::NoGroup(_))));
    assert!(!config.socket.exists(), "nothing half made is left");
    let nowhere = AdminConfig { socket: scratch.0.join("no/such/admin.sock"), ..config.clone() };
    assert!(matches!(AdminServer::bind(&nowhere, service, controls()), Err(AdminError::Create { .. })));
}

/// Whatever the umask is: not even for a moment may everybody open the socket.
#[tokio::test]
async fn the_socket_is_never_open_to_all() {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
    let scratch = Scratch::new();
    let (config, service) = (scratch.config(), scratch.service().await);
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    let (directory, socket) = (scratch.0.clone(), config.socket.clone());
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let end = done.clone();
    // Looks at every socket that others than its owner can reach.
    let watcher = std::thread::spawn(move || {
        let mut modes = std::collections::BTreeSet::new();
        while !end.load(Ordering::Relaxed) {
            for entry in fs::read_dir(&directory).unwrap().filter_map(Result::ok) {
                let metadata = entry.metadata().ok().filter(|metadata| metadata.file_type().is_socket());
                modes.extend(metadata.map(|metadata| metadata.permissions().mode() & 0o777));
            }
        }
        modes
    });
    for _ in 0..300 {
        let server = AdminServer::bind(&config, service.clone(), controls()).unwrap();
        assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(!scratch.0.join("admin.sock.new").exists(), "nothing is left");
        drop(server);
    }
    done.store(true, Ordering::Relaxed);
    assert_eq!(Vec::from_iter(watcher.join().unwrap()), [0o660]);

    // A link in the lock's place makes no file where it leads.
    let (lock, target) = (scratch.0.join("admin.sock.lock"), scratch.0.join("target"));
    fs::remove_file(&lock).unwrap();
    symlink(&target, &lock).unwrap();
    assert!(matches!(AdminServer::bind(&config, service.clone(), controls()), Err(AdminError::Create { .. })));
    assert!(!target.exists());
    fs::remove_file(&lock).unwrap();
    // What an earlier version left when it was killed is no hindrance, nor is what this one leaves.
    drop(UnixListener::bind(scratch.0.join("admin.sock.new")).unwrap());
    drop(AdminServer::bind(&config, service.clone(), controls()).unwrap());
    fs::create_dir(scratch.0.join("admin.sock.new")).unwrap();
    drop(UnixListener::bind(scratch.0.join("admin.sock.new/s")).unwrap());
    drop(AdminServer::bind(&config, service, controls()).unwrap());
}

#[tokio::test]
async fn networks_ports_and_endpoints_are_managed() {
    let admin = run().await;
    let network = admin.ok("network_create", json!({"name": "n", "vni": 7000})).await;
    assert_eq!(network, json!({"id": network["id"], "name": "n", "tenant_id": "", "vni": 7000}));
    assert_eq!(admin.ok("network_show", json!({"network": "n"})).await, network);
    let bare = admin.ok("network_create", json!({"name": "bare", "vxlan": false})).await;
    assert_eq!(bare["vni"], Value::Null);
    assert_eq!(admin.ok("network_list", json!({})).await["networks"].as_array().unwrap().len(), 2);
    assert_eq!(admin.refused("network_create", json!({"vni": 7000})).await.1, "TunnelIdInUse");
    assert!(admin.refused("network_create", json!({"vni": 0})).await.2.contains("vni: 0 is not a VXLAN network"));
    let renamed = admin.ok("network_update", json!({"network": "bare", "name": "b"})).await;
    assert_eq!((&renamed["name"], &renamed["id"]), (&json!("b"), &bare["id"]));
    admin.ok("network_delete", json!({"network": "b"})).await;

    let endpoint = admin.ok("endpoint_create", json!({"host": "c1", "ip_address": "198.51.100.1"})).await;
    assert_eq!(admin.ok("endpoint_show", json!({"endpoint": "c1"})).await, endpoint);
    let moved = admin.ok("endpoint_update", json!({"endpoint": "c1", "ip_address": "198.51.100.2"})).await;
    assert_eq!(admin.ok("endpoint_list", json!({})).await, json!({"tunnel_endpoints": [moved]}));

    let new = json!({"network": "n", "mac_address": "FA:16:3E:00:00:01", "fixed_ips": [{"ip_address": "10.0.0.1"}],
                     "host": "c1", "allowed_address_pairs": [{"ip_address": "10.1.0.0/24"}]});
    let port = admin.ok("port_create", new).await;
    assert_eq!((&port["mac_address"], &port["host"]), (&json!("fa:16:3e:00:00:01"), &json!("c1")));
    assert_eq!(port["allowed_address_pairs"][0]["mac_address"], port["mac_address"]);
    let one = json!({"port": port["id"]});
    assert_eq!(admin.ok("port_show", one.clone()).await, port);
    assert_eq!(admin.ok("port_list", json!({"network": "n", "host": "c1"})).await, json!({"ports": [port]}));
    assert_eq!(admin.ok("port_list", json!({"host": "c2"})).await, json!({"ports": []}));
    assert_eq!(admin.ok("port_list", json!({"after": port["id"]})).await, json!({"ports": []}));
    let unbound = admin.ok("port_update", json!({"port": port["id"], "host": ""})).await;
    assert_eq!(unbound["host"], "");
    admin.ok("port_delete", one).await;
    admin.ok("endpoint_delete", json!({"endpoint": "c1"})).await;
    assert_eq!(admin.refused("endpoint_show", json!({"endpoint": "c1"})).await.1, "TunnelEndpointNotFound");
}

#[tokio::test]
async fn a_bulk_of_ports_is_created_at_once_or_not_at_all() {
    let admin = run().await;
    let network = admin.ok("network_create", json!({"name": "n"})).await["id"].clone();
    let port = |mac: u32| json!({"network": network, "mac_address": format!("fa:16:3e:00:00:{mac:02x}")});
    let id = admin.ok("port_import_begin", json!({})).await["import"].clone();
    let staged = admin.ok("port_import_stage", json!({"import": id, "ports": [port(1), port(2)]})).await;
    assert_eq!(staged, json!({"staged": 2}));
    admin.ok("port_import_stage", json!({"import": id, "ports": [port(3), port(1)]})).await;
    assert_eq!(admin.ok("port_list", json!({})).await, json!({"ports": []}));
    let twice = admin.refused("port_import_commit", json!({"import": id})).await;
    assert_eq!(twice.1, "MacAddressInUse");
    assert_eq!(admin.ok("port_list", json!({})).await, json!({"ports": []}));
    assert_eq!(admin.refused("port_import_commit", json!({"import": id})).await.1, "ImportNotFound");

    let id = admin.ok("port_import_begin", json!({})).await["import"].clone();
    admin.ok("port_import_stage", json!({"import": id, "ports": [port(1)]})).await;
    assert_eq!(admin.ok("port_import_commit", json!({"import": id})).await, json!({"created": 1}));
    assert_eq!(admin.ok("port_list", json!({})).await["ports"].as_array().unwrap().len(), 1);
    let ids = [admin.ok("port_import_begin", json!({})).await, admin.ok("port_import_begin", json!({})).await];
    assert_ne!(ids[0], ids[1]);
    assert_eq!(admin.ok("port_import_abort", ids[0].clone()).await, json!({"forgotten": 0}));
}

#[tokio::test]
async fn the_daemon_describes_its_methods() {
    let admin = run().await;
    let schema = admin.ok("schema", json!({})).await;
    assert_eq!(admin.ok("rpc.discover", Value::Null).await, schema);
    let methods = schema["methods"].as_array().unwrap();
    assert!(methods.len() > 35, "{}", methods.len());
    for method in methods {
        let name = method["name"].as_str().unwrap();
        assert!(!method["summary"].as_str().unwrap().is_empty(), "{name}");
        // What is described is there, and knows the parameters that are described.
        let required = method["params"].as_array().unwrap().iter().find(|param| param["required"] == true);
        if let Some(param) = required {
            let (code, kind, message) = admin.refused(name, json!({})).await;
            assert_eq!((code, kind.as_str()), (-32602, "InvalidInput"), "{name}");
            let known = message.contains("missing") || message.contains(param["name"].as_str().unwrap());
            assert!(known, "{name}: {message}");
        } else if method["tags"][0]["name"] == "read" && name != "fdb" {
            // The FDB waits for a fleet that has read the store; there is none here.
            admin.ok(name, json!({})).await;
        }
        // 'schema' takes whatever comes, 'watch' wants a WebSocket.
        if !["schema", "watch"].contains(&name) {
            let (code, _, message) = admin.refused(name, json!({"nonsense": 1})).await;
            assert_eq!(code, -32602, "{name}: {message}");
        }
    }
}
