//! Errors as clients see them: one table from what went wrong to status, type and message.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::service::{
    ServiceError,
    view::{BadBody, Class, refusal},
};

/// Longest message, in bytes. What a client sent may be quoted in it, and that has up to 64 MiB.
const MAX_MESSAGE: usize = 4096;

/// An answer that says what went wrong, in Neutron's form: `{"NeutronError": {"type", "message", "detail"}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    kind: &'static str,
    message: String,
    /// Seconds after which another attempt may succeed.
    retry_after: Option<u16>,
    /// The connection can't be used any further: the rest of the body was not read.
    close: bool,
    /// `WWW-Authenticate` of a 401; `None`: the admin token is asked for.
    challenge: Option<HeaderValue>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > MAX_MESSAGE {
            message.truncate(message.floor_char_boundary(MAX_MESSAGE));
            message.push('…');
        }
        Self { status, kind, message, retry_after: None, close: false, challenge: None }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "HTTPBadRequest", message)
    }

    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message)
    }

    /// A caller who is known, and may not do this.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "PolicyNotAuthorized", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "HTTPNotFound", message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message);
        problem.retry_after = Some(5);
        problem
    }

    /// A caller who asks too often.
    pub(crate) fn too_many_requests(message: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message);
        problem.retry_after = Some(5);
        problem
    }

    /// Whether the token is at fault.
    pub(crate) fn is_unauthorized(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    pub(crate) fn bug() -> Self {
        let message = "this is a bug in vtepd: its log has the cause under this answer's X-Openstack-Request-Id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "HTTPInternalServerError", message)
    }

    /// Closes the connection after the answer.
    pub(crate) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// Says with a 401 where a token is to be had.
    pub(crate) fn challenging(mut self, challenge: HeaderValue) -> Self {
        self.challenge = Some(challenge);
        self
    }
}

impl From<BadBody> for Problem {
    fn from(error: BadBody) -> Self {
        let kind = match error {
            BadBody::Empty | BadBody::NotJson { .. } => "HTTPBadRequest",
            BadBody::Field { .. } => "InvalidInput",
        };
        Self::new(StatusCode::BAD_REQUEST, kind, error.to_string())
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let (class, kind) = refusal(&error);
        let status = match class {
            Class::BadInput => StatusCode::BAD_REQUEST,
            Class::NotFound => StatusCode::NOT_FOUND,
            Class::Conflict => StatusCode::CONFLICT,
            Class::Forbidden => StatusCode::FORBIDDEN,
            Class::Unavailable => return Self::unavailable(error.to_string()),
            Class::Internal => {
                tracing::error!(%error, "a call failed");
                return Self::bug();
            }
        };
        Self::new(status, kind, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = if self.status == StatusCode::UNAUTHORIZED {
            json!({"error": {"code": 401, "title": "Unauthorized", "message": self.message}})
        } else {
            json!({"NeutronError": {"type": self.kind, "message": self.message, "detail": ""}})
        };
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::UNAUTHORIZED {
            let admin_token = || HeaderValue::from_static("X-Auth-Token realm=\"vtepd\"");
            headers.insert(header::WWW_AUTHENTICATE, self.challenge.unwrap_or_else(admin_token));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
