//! `/v2.0/agents`: the compute nodes and the switches, as vtepd knows them.

use axum::{extract::State, http::StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    api::{
        App,
        answer::Answer,
        list::{self, Fields, ListQuery, Resource},
        named::Named,
        problem::Problem,
    },
    model::{
        TunnelEndpoint,
        status::{SessionState, SwitchStatus},
    },
};

/// A compute node or a switch.
// The names are Neutron's.
#[allow(clippy::struct_field_names)]
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Agent {
    id: Uuid,
    agent_type: &'static str,
    binary: &'static str,
    host: String,
    topic: &'static str,
    /// Of a compute node: it follows the FDB with its own token. Of a switch: its session is up.
    alive: bool,
    admin_state_up: bool,
    #[schema(value_type = Option<String>)]
    availability_zone: Value,
    description: String,
    #[schema(value_type = Object)]
    configurations: Map<String, Value>,
}

impl Agent {
    fn compute_node(endpoint: TunnelEndpoint, alive: bool) -> Self {
        let configurations = json!({"tunneling_ip": endpoint.ip, "tunnel_types": ["vxlan"]});
        Self {
            id: endpoint.id.0,
            agent_type: "VXLAN compute node",
            binary: "vtep-hostd",
            host: endpoint.host,
            topic: "fdb",
            alive,
            description: String::new(),
            ..Self::common(configurations)
        }
    }

    fn switch(switch: SwitchStatus) -> Self {
        let configurations =
            json!({"status": switch.status, "rows_desired": switch.rows_desired, "rows_actual": switch.rows_actual});
        Self {
            id: switch_id(&switch.name),
            agent_type: "L2 Gateway switch",
            binary: "ovsdb-server",
            topic: "hardware_vtep",
            alive: switch.session.state == SessionState::Up,
            description: switch.reason.to_string(),
            host: switch.name,
            ..Self::common(configurations)
        }
    }

    fn common(configurations: Value) -> Self {
        let configurations = match configurations {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        Self {
            id: Uuid::nil(),
            agent_type: "",
            binary: "",
            host: String::new(),
            topic: "",
            alive: false,
            admin_state_up: true,
            availability_zone: Value::Null,
            description: String::new(),
            configurations,
        }
    }
}

/// The same for a switch's name each time: switches have no UUID.
fn switch_id(name: &str) -> Uuid {
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("vtepd switch {name}").as_bytes());
    let mut bytes = [0; 16];
    for (byte, of) in bytes.iter_mut().zip(digest.as_ref()) {
        *byte = *of;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Agents.
pub(super) enum Agents {}

impl Resource for Agents {
    const ONE: &'static str = "agent";
    const MANY: &'static str = "agents";
    const SORTABLE: &'static [&'static str] = &["id", "agent_type", "binary", "host", "alive", "topic"];

    type Row = Agent;
    type View<'a> = Agent;

    fn id(agent: &Agent) -> String {
        agent.id.to_string()
    }

    fn view(agent: &Agent) -> Agent {
        agent.clone()
    }

    fn missing(id: String) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "AgentNotFound", format!("there is no agent '{id}'"))
    }
}

async fn all(app: &App) -> Result<Vec<Agent>, Problem> {
    let following = app.watchers.hosts();
    let mut agents: Vec<_> = app.service.switches().await.into_iter().map(Agent::switch).collect();
    for endpoint in app.service.endpoints().await? {
        let alive = following.contains(&endpoint.host);
        agents.push(Agent::compute_node(endpoint, alive));
    }
    agents.sort_by_key(|agent| agent.id);
    Ok(agents)
}

pub(super) async fn list(State(app): State<App>, query: ListQuery) -> Answer {
    list::of::<Agents>(query, all(&app).await?).await
}

pub(super) async fn show(State(app): State<App>, Named(id): Named, fields: Fields) -> Answer {
    let agent = all(&app).await?.into_iter().find(|agent| agent.id.to_string() == id);
    list::one::<Agents>(&fields, &agent.ok_or_else(|| Agents::missing(id))?)
}
