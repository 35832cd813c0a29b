mod database;
mod properties;
mod rules;
mod scenario;
mod shared;
