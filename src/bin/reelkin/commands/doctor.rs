//! `reelkin doctor`: checks what a new clip requires: libav, the library, the API key, the service and the models.

use reelkin::{ErrorKind, Library, VideoClient};
use serde_json::{Value, json};

use crate::args::GlobalArgs;
use crate::output::{self, CliError, CommandResult, ExitCode, MAX_MESSAGE_CHARS, single_line};
use crate::session::{Session, block_on};

struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
    advice: Option<String>,
}

impl Check {
    fn new(name: &'static str, result: CommandResult<String>) -> Self {
        let advice = match &result {
            Err(CliError::Library(error)) => error.guidance().map(str::to_owned),
            _ => None,
        };
        Self {
            name,
            ok: result.is_ok(),
            detail: result.unwrap_or_else(|error| error.message()),
            advice,
        }
    }

    fn skipped(name: &'static str, why: &str) -> Self {
        Self {
            name,
            ok: false,
            detail: format!("not checked: {why}"),
            advice: None,
        }
    }
}

pub(crate) fn run(global: &GlobalArgs) -> CommandResult {
    let mut checks = vec![Check::new("libav", libav())];
    checks.extend(block_on(async {
        let library = match Library::open(&global.library) {
            Ok(library) => library
                .writable()
                .await
                .map(|()| global.library.display().to_string()),
            Err(error) => Err(error),
        };
        let mut checks = vec![Check::new("library", library.map_err(CliError::from))];
        checks.extend(service(global).await);
        Ok(checks)
    })?);
    let ok = checks.iter().all(|check| check.ok);
    if global.json {
        let list: Vec<Value> = checks
            .iter()
            .map(|check| json!({ "name": check.name, "ok": check.ok, "detail": check.detail, "advice": check.advice }))
            .collect();
        output::print_json(&json!({ "ok": ok, "checks": list }));
    } else {
        for check in &checks {
            let mark = if check.ok { "ok  " } else { "FAIL" };
            output::print_line(format_args!(
                "{mark}  {:<8} {}",
                check.name,
                single_line(&check.detail, MAX_MESSAGE_CHARS)
            ));
            if let Some(advice) = &check.advice {
                output::print_line(format_args!("                {advice}"));
            }
        }
    }
    Ok(if ok { ExitCode::Success } else { ExitCode::Failure })
}

fn libav() -> CommandResult<String> {
    let libav = reelkin::media::libav();
    let decodes = libav
        .decoders
        .iter()
        .filter(|(_, present)| *present)
        .map(|(name, _)| *name);
    let missing: Vec<_> = libav
        .decoders
        .iter()
        .filter(|(_, present)| !present)
        .map(|(name, _)| *name)
        .collect();
    let mut line = format!(
        "{}, decodes {}",
        libav.version,
        decodes.collect::<Vec<_>>().join(" ")
    );
    if !missing.is_empty() {
        line = format!("{line}; missing {}", missing.join(" "));
    }
    if missing.contains(&"h264") {
        return Err(CliError::Local(format!(
            "{line}: cannot verify the clips of the service, which are H.264"
        )));
    }
    Ok(line)
}

/// Checks the API key, the service and the models with one request.
async fn service(global: &GlobalArgs) -> Vec<Check> {
    let session = match Session::open(global, VideoClient::builder(), None).await {
        Ok(session) => session,
        Err(error) => {
            let checked = Check::new("key", Err(error));
            let skipped =
                ["service", "models"].map(|name| Check::skipped(name, "the client could not be created"));
            return std::iter::once(checked).chain(skipped).collect();
        }
    };
    let service = session.client.service();
    let checks = match session.client.visible_models().await {
        Ok(models) => {
            let names: Vec<_> = models.iter().map(|model| model.id.to_string()).collect();
            let known = session.client.models();
            let usable = models.iter().any(|model| known.get(&model.id).is_some());
            let models = if usable {
                Ok(names.join(", "))
            } else {
                Err(CliError::Local(format!(
                    "no supported video model is available: {}",
                    names.join(", ")
                )))
            };
            vec![
                Check::new("key", Ok("accepted".to_owned())),
                Check::new("service", Ok(service)),
                Check::new("models", models),
            ]
        }
        Err(error) if error.kind() == ErrorKind::Auth => vec![
            Check::new("key", Err(error.into())),
            Check::new("service", Ok(service)),
            Check::skipped("models", "the key was rejected"),
        ],
        Err(error) => vec![
            Check::skipped("key", "the service did not respond"),
            Check::new("service", Err(error.into())),
            Check::skipped("models", "the service did not respond"),
        ],
    };
    session.close().await;
    checks
}
