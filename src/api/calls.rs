//! The calls of a dialect: each is declared once, its path with the function that answers it and with its description.

use axum::{
    Router,
    handler::Handler,
    routing::{self, MethodRouter},
};

use super::{App, openapi::Description};

/// Calls, for the router and for `/openapi.json`.
#[derive(Default)]
pub(super) struct Calls {
    router: Router<App>,
    description: Description,
}

// ===== impl Calls =====

impl Calls {
    /// `describe` gets the path: [`Description::list`] and its like fit.
    pub(super) fn get<H, T>(&mut self, path: &str, handler: H, describe: impl FnOnce(&mut Description, &str))
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(path, routing::get(handler), describe);
    }

    pub(super) fn post<H, T>(&mut self, path: &str, handler: H, describe: impl FnOnce(&mut Description, &str))
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(path, routing::post(handler), describe);
    }

    pub(super) fn put<H, T>(&mut self, path: &str, handler: H, describe: impl FnOnce(&mut Description, &str))
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(path, routing::put(handler), describe);
    }

    /// Deletions take no body and answer with none.
    pub(super) fn delete<H, T>(&mut self, path: &str, handler: H)
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(path, routing::delete(handler), Description::delete);
    }

    /// For the server.
    pub(super) fn into_router(self) -> Router<App> {
        self.router
    }

    /// For `/openapi.json`.
    pub(super) fn into_description(self) -> Description {
        self.description
    }

    fn add(&mut self, path: &str, method: MethodRouter<App>, describe: impl FnOnce(&mut Description, &str)) {
        self.router = std::mem::take(&mut self.router).route(path, method);
        describe(&mut self.description, path);
    }
}
