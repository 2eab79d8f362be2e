//! Keys, tokens, proxies, certificates and names that must not lead out of the library.

mod certificates;
mod library_escape;
mod proxy;
mod secrets;
mod tokens;
