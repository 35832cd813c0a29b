//! `/v2.0/{networks, subnets, ports}/{id}/tags`, as Neutron has them.

use axum::{
    Extension,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::json;
use utoipa::ToSchema;

use super::few::{WITHIN, few};
use crate::{
    api::{
        App,
        answer::{self, Answer},
        body::Json,
        calls::Calls,
        named::Named,
    },
    service::{Caller, ServiceError, Tagged},
};

/// Where there are tags.
const COLLECTIONS: [(&str, Tagged); 3] =
    [("networks", Tagged::Network), ("subnets", Tagged::Subnet), ("ports", Tagged::Port)];

/// The tags of an object, in a request and in an answer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tags {
    #[serde(deserialize_with = "tags")]
    tags: Vec<String>,
}

fn tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    few::<_, _, WITHIN>(deserializer)?.ok_or_else(|| de::Error::custom("expected a list of strings"))
}

pub(super) fn calls(api: &mut Calls) {
    let none = || json!([]);
    for (collection, kind) in COLLECTIONS {
        let (all, one) = (format!("/v2.0/{collection}/{{id}}/tags"), format!("/v2.0/{collection}/{{id}}/tags/{{tag}}"));
        api.get(
            &all,
            move |app, caller, id| list(kind, app, caller, id),
            |api, path| {
                let tags = api.schema::<Tags>();
                api.call("get", path, none(), None, json!({"200": tags}));
            },
        );
        api.put(
            &all,
            move |app, caller, id, body| replace(kind, app, caller, id, body),
            |api, path| {
                let tags = api.schema::<Tags>();
                api.call("put", path, none(), Some(tags.clone()), json!({"200": tags}));
            },
        );
        api.delete(&all, move |app, caller, id| clear(kind, app, caller, id));
        api.get(
            &one,
            move |app, caller, place| show(kind, app, caller, place),
            |api, path| {
                api.call("get", path, none(), None, json!({"204": null}));
            },
        );
        api.put(
            &one,
            move |app, caller, place| add(kind, app, caller, place),
            |api, path| {
                api.call("put", path, none(), None, json!({"201": null}));
            },
        );
        api.delete(&one, move |app, caller, place| remove(kind, app, caller, place));
    }
}

type Place = Path<(String, String)>;

async fn list(kind: Tagged, State(app): State<App>, Extension(caller): Extension<Caller>, Named(id): Named) -> Answer {
    answer::bare(StatusCode::OK, &Tags { tags: app.service.tags(&caller, kind, &id).await? })
}

async fn replace(
    kind: Tagged,
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Named(id): Named,
    Json(body): Json<Tags>,
) -> Answer {
    answer::bare(StatusCode::OK, &Tags { tags: app.service.set_tags(&caller, kind, &id, body.tags).await? })
}

async fn clear(kind: Tagged, State(app): State<App>, Extension(caller): Extension<Caller>, Named(id): Named) -> Answer {
    app.service.set_tags(&caller, kind, &id, Vec::new()).await?;
    Ok(answer::gone())
}

async fn show(
    kind: Tagged,
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((id, tag)): Place,
) -> Answer {
    if app.service.tags(&caller, kind, &id).await?.contains(&tag) {
        return Ok(answer::gone());
    }
    Err(ServiceError::TagNotFound(tag).into())
}

async fn add(
    kind: Tagged,
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((id, tag)): Place,
) -> Answer {
    app.service.add_tag(&caller, kind, &id, &tag).await?;
    Ok(StatusCode::CREATED.into_response())
}

async fn remove(
    kind: Tagged,
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((id, tag)): Place,
) -> Answer {
    app.service.remove_tag(&caller, kind, &id, &tag).await?;
    Ok(answer::gone())
}
