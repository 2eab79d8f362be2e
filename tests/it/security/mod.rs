//! Keys, tokens, proxies, certificates and names that must not lead out of the library.

mod certificates;
mod journal_paths;
mod library_escape;
mod library_paths;
mod proxy;
mod secrets;
mod tokens;
