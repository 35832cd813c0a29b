//! A blocking HTTP/1.1 client, one connection a call unless it is kept. Every answer of a daemon's is held against its
//! `/openapi.json`.

use std::{
    fmt::Write as _,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    sync::OnceLock,
    time::Duration,
};

use serde_json::{Value, json};

use super::{PATIENCE, eventually, schema};

/// An answer: status, headers (names in lower case), body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `null` where it is empty.
    ///
    /// # Panics
    /// Where it is something else.
    pub(crate) fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("not JSON ({e}): {}", String::from_utf8_lossy(&self.body)))
    }

    /// The body of an answer with this status.
    ///
    /// # Panics
    /// Where the status is another.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// `NeutronError.type`.
    pub(crate) fn error_type(&self) -> String {
        self.json()["NeutronError"]["type"].as_str().unwrap_or_default().to_owned()
    }
}

/// What daemons say of themselves: all of a test are one program.
static DOCUMENT: OnceLock<Value> = OnceLock::new();

/// The API at an address, with a token.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    pub(crate) address: SocketAddr,
    pub(crate) token: Option<String>,
    /// It is a daemon's: its answers are what its document says.
    pub(crate) described: bool,
}

impl Rest {
    /// A call; `body` is sent as it is.
    ///
    /// # Panics
    /// Where the answer is not what `/openapi.json` says.
    #[track_caller]
    pub(crate) fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
        let answer = self.send(method, path, headers, body)?;
        if let Some(document) = self.document() {
            let kind = answer.header("content-type").unwrap_or_default();
            let complaints = schema::complaints(document, (method, path), (answer.status, kind), &answer.body);
            assert!(complaints.is_empty(), "not what /openapi.json says:\n{}", complaints.join("\n"));
        }
        Ok(answer)
    }

    /// What the daemon says of itself, if it answers.
    pub(crate) fn document(&self) -> Option<&'static Value> {
        if !self.described {
            return None;
        }
        if DOCUMENT.get().is_none() {
            let told = self.send("GET", "/openapi.json", &[], b"").ok().filter(|answer| answer.status == 200)?;
            let _ = DOCUMENT.set(told.json());
        }
        DOCUMENT.get()
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(Duration::from_mins(2)))?;
        stream.set_nodelay(true)?;
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        self.finish_head(&mut head, headers, body.len());
        let mut writer = &stream;
        // A server that refuses a body may answer before it has read it: its answer is what counts.
        let written = writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(body));
        let answer = read_answer(&mut BufReader::new(&stream));
        let _ = stream.shutdown(Shutdown::Both);
        match (answer, written) {
            (Err(_), Err(e)) => Err(e),
            (answer, _) => answer,
        }
    }

    fn finish_head(&self, head: &mut String, headers: &[(&str, &str)], length: usize) {
        if let Some(token) = &self.token {
            let _ = write!(head, "X-Auth-Token: {token}\r\n");
        }
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if length > 0 {
            let _ = write!(head, "Content-Type: application/json\r\nContent-Length: {length}\r\n");
        }
        head.push_str("\r\n");
    }

    /// A call with a JSON body (`null`: none).
    ///
    /// # Panics
    /// Where no answer comes.
    #[track_caller]
    pub(crate) fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.raw(method, path, &[], text.as_bytes()).unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &Value::Null)
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, body)
    }

    #[track_caller]
    pub(crate) fn put(&self, path: &str, body: &Value) -> Answer {
        self.call("PUT", path, body)
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, &Value::Null)
    }

    // ===== what most tests begin with =====

    /// A network; its UUID.
    #[track_caller]
    pub(crate) fn network(&self, name: &str) -> String {
        id(&self.post("/v2.0/networks", &json!({"network": {"name": name}})).expect(201)["network"])
    }

    /// A network with a VNI of the test's choice.
    #[track_caller]
    pub(crate) fn network_with_vni(&self, name: &str, vni: u32) -> String {
        let body =
            json!({"network": {"name": name, "provider:network_type": "vxlan", "provider:segmentation_id": vni}});
        id(&self.post("/v2.0/networks", &body).expect(201)["network"])
    }

    /// The VTEP of a compute node; its UUID.
    #[track_caller]
    pub(crate) fn endpoint(&self, host: &str, ip: &str) -> String {
        let body = json!({"tunnel_endpoint": {"host": host, "ip_address": ip}});
        id(&self.post("/v2.0/tunnel-endpoints", &body).expect(201)["tunnel_endpoint"])
    }

    /// A virtual machine's port; its UUID.
    #[track_caller]
    pub(crate) fn port(&self, network: &str, mac: &str, ip: &str, host: &str) -> String {
        let body = json!({"port": {"network_id": network, "mac_address": mac, "binding:host_id": host,
                                   "fixed_ips": [{"ip_address": ip}]}});
        id(&self.post("/v2.0/ports", &body).expect(201)["port"])
    }

    /// A gateway with the interfaces of each device, without VLANs of their own; its UUID.
    #[track_caller]
    pub(crate) fn gateway(&self, name: &str, devices: &[(&str, &[&str])]) -> String {
        let devices: Vec<Value> = devices
            .iter()
            .map(|(device, interfaces)| {
                let interfaces: Vec<Value> = interfaces.iter().map(|name| json!({"name": name})).collect();
                json!({"device_name": device, "interfaces": interfaces})
            })
            .collect();
        let body = json!({"l2_gateway": {"name": name, "devices": devices}});
        id(&self.post("/v2/l2-gateways", &body).expect(201)["l2_gateway"])
    }

    /// A connection with a default VLAN; its UUID.
    #[track_caller]
    pub(crate) fn connect(&self, gateway: &str, network: &str, vlan: u16) -> String {
        let body = json!({"gateway_id": gateway, "network_id": network, "default_segmentation_id": vlan});
        let answer = self.post("/v2/l2-gateway-connections", &body).expect(201);
        answer["connection_id"].as_str().expect("connection_id").to_owned()
    }

    /// Deletes a connection.
    #[track_caller]
    pub(crate) fn disconnect(&self, connection: &str) {
        self.delete(&format!("/v2/l2-gateway-connections/{connection}")).expect(204);
    }

    /// The status of a connection.
    #[track_caller]
    pub(crate) fn status(&self, connection: &str) -> Value {
        self.get(&format!("/v2/l2-gateway-connections/{connection}/status")).expect(200)
    }

    /// Waits until a connection has this status; the whole of it.
    pub(crate) fn wait_status(&self, connection: &str, status: &str) -> Value {
        eventually(&format!("connection {connection} {status}"), PATIENCE, || {
            let now = self.status(connection);
            if now["status"] == status { Ok(now) } else { Err(now.to_string()) }
        })
    }

    /// What is known of a switch.
    #[track_caller]
    pub(crate) fn switch(&self, name: &str) -> Value {
        self.get(&format!("/v2/switches/{name}")).expect(200)
    }

    /// Waits until a switch is as `good` wants it.
    pub(crate) fn wait_switch(&self, name: &str, what: &str, good: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("switch {name}: {what}"), PATIENCE, || {
            let now = self.switch(name);
            if good(&now) { Ok(now) } else { Err(now.to_string()) }
        })
    }
}

#[track_caller]
fn id(resource: &Value) -> String {
    resource["id"].as_str().unwrap_or_else(|| panic!("no id in {resource}")).to_owned()
}

/// A connection that is kept, for measurements.
#[derive(Debug)]
pub(crate) struct Kept {
    rest: Rest,
    stream: BufReader<TcpStream>,
}

impl Kept {
    pub(crate) fn open(rest: Rest) -> io::Result<Self> {
        let stream = TcpStream::connect(rest.address)?;
        stream.set_nodelay(true)?;
        Ok(Self { rest, stream: BufReader::new(stream) })
    }

    pub(crate) fn call(&mut self, method: &str, path: &str, body: &Value) -> io::Result<Answer> {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.rest.address);
        self.rest.finish_head(&mut head, &[], text.len());
        head.push_str(&text);
        self.stream.get_mut().write_all(head.as_bytes())?;
        read_answer(&mut self.stream)
    }
}

/// One JSON-RPC 2.0 call over HTTP on a Unix socket.
pub(crate) fn json_rpc(socket: &Path, method: &str, params: &Value) -> io::Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    Ok(read_answer(&mut BufReader::new(stream))?.json())
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn read_answer(reader: &mut impl BufRead) -> io::Result<Answer> {
    let status_line = read_line(reader)?;
    let status = status_line.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(|| bad(&status_line))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, headers, body: Vec::new() };
    if let Some(length) = answer.header("content-length").and_then(|n| n.parse().ok()) {
        answer.body = vec![0; length];
        reader.read_exact(&mut answer.body)?;
    } else if answer.header("transfer-encoding") == Some("chunked") {
        loop {
            let size = usize::from_str_radix(read_line(reader)?.trim(), 16).map_err(|_| bad("chunk size"))?;
            reader.take(size as u64).read_to_end(&mut answer.body)?;
            read_line(reader)?;
            if size == 0 {
                break;
            }
        }
    } else if status != 204 && status != 304 {
        reader.read_to_end(&mut answer.body)?;
    }
    Ok(answer)
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}
