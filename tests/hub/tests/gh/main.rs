//! The hub, as the real gh publishes to it and curl fetches from it.

mod broken;
mod fetching;
mod place;
mod protocol;
mod publishing;
mod rules;
