//! The commands, one file each.

mod admin_client;
pub mod check;
mod demo;
mod explain;
mod tables;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::admin::Token;
use crate::cli::admin_client::{AdminClient, AdminError};
use crate::lifecycle::{Server, StartError};
use crate::telemetry::{Log, LogFormat, init_log};

pub use explain::explain;

/// The exit status for wrong input and failed starts.
const WRONG_INPUT: u8 = 1;
/// The exit status when a bug ended the router (EX_SOFTWARE of sysexits(3)).
const BUG: u8 = 70;

#[derive(Parser)]
#[command(
    name = "pointsman",
    version,
    about = "An HTTP router for platforms",
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How diagnostics are written to standard error
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    log: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl From<Format> for LogFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
        }
    }
}

#[derive(Subcommand)]
enum Command {
    /// A router and three small apps on loopback, with commands to try
    Demo(demo::Ports),
    /// Run the router
    Run(ConfigFile),
    /// Validate a configuration; exit status 1 and diagnostics if it is wrong
    Check(ConfigFile),
    /// List the live routes and endpoints of a running router
    Routes {
        #[command(flatten)]
        admin: Admin,
        /// Only routes of this host or pattern
        #[arg(long)]
        host: Option<String>,
    },
    /// List the requests a running router has in flight
    Requests {
        #[command(flatten)]
        admin: Admin,
        /// Only requests in flight for at least so long, such as 30s
        #[arg(long)]
        older_than: Option<String>,
        /// Show query strings, which may hold tokens and names
        #[arg(long)]
        queries: bool,
    },
    /// Drain a running router: it finishes what it has, then exits
    Drain {
        #[command(flatten)]
        admin: Admin,
    },
    /// Say what an error code means, who is to blame and what to do
    Explain {
        /// The code, such as no-route; without one, all are listed
        code: Option<String>,
    },
    /// Write a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(clap::Args)]
struct ConfigFile {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = "pointsman.toml")]
    config: PathBuf,
}

#[derive(clap::Args)]
struct Admin {
    /// The running router's admin address
    #[arg(long, value_name = "URL", default_value = admin_client::DEFAULT_URL)]
    admin: String,
    /// The file with the admin side's bearer token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// What a command says when it went well: text for standard output, if any.
type Said = Result<String, CommandError>;

#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error("{0}")]
    Start(#[from] StartError),
    #[error("{0}")]
    Admin(#[from] AdminError),
    #[error("{0}")]
    Token(#[from] crate::admin::TokenError),
    #[error("{0}")]
    Log(#[from] crate::telemetry::LogError),
    #[error("{0}")]
    Explain(#[from] crate::error::UnknownCode),
    /// Diagnostics, rendered already.
    #[error("{0}")]
    Wrong(String),
}

impl CommandError {
    fn exit_status(&self) -> u8 {
        match self {
            Self::Start(StartError::WorkerDied(_)) => BUG,
            _ => WRONG_INPUT,
        }
    }
}

/// Runs the command line; the process's exit status.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(asked) => {
            let _ = asked.print();
            return ExitCode::from(u8::try_from(asked.exit_code()).unwrap_or(2));
        }
    };
    let mut log = None;
    match run(cli, &mut log) {
        Ok(text) => {
            // A reader that closed the pipe has seen enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let text = error.to_string();
            let text = format!("{}\n", text.trim_end());
            match &log {
                // Behind what was logged, and not for ever where nobody reads.
                Some(log) => log.say(&text),
                None => drop(std::io::stderr().write_all(text.as_bytes())),
            }
            ExitCode::from(error.exit_status())
        }
    }
}

/// Runs a command; `log` is the log it began, to be ended behind all else.
fn run(cli: Cli, log: &mut Option<Log>) -> Said {
    match cli.command {
        Command::Demo(ports) => {
            *log = Some(init_log(cli.log.into())?);
            demo::run(&ports)?;
            Ok(String::new())
        }
        Command::Run(file) => {
            *log = Some(init_log(cli.log.into())?);
            Server::start(&file.config)?.run()?;
            Ok(String::new())
        }
        Command::Check(file) => {
            let (text, status) = check::run(&file.config);
            if status == 0 { Ok(text) } else { Err(CommandError::Wrong(text)) }
        }
        Command::Routes { admin, host } => {
            Ok(tables::routes(&admin.client()?.routes(host.as_deref())?))
        }
        Command::Requests { admin, older_than, queries } => {
            let requests = admin.client()?.requests(older_than.as_deref(), queries)?;
            Ok(tables::requests(&requests))
        }
        Command::Drain { admin } => {
            admin.client()?.drain()?;
            Ok("draining\n".into())
        }
        Command::Explain { code } => Ok(explain(code.as_deref())?),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "pointsman", &mut script);
            Ok(String::from_utf8_lossy(&script).into_owned())
        }
    }
}

impl Admin {
    fn client(&self) -> Result<AdminClient, CommandError> {
        let token = self.token_file.as_deref().map(Token::read).transpose()?;
        Ok(AdminClient::new(&self.admin, token)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_worker_is_a_bug_and_says_so_in_the_exit_status() {
        assert_eq!(CommandError::from(StartError::WorkerDied(0)).exit_status(), 70);
        assert_eq!(CommandError::Wrong("listener: missing".into()).exit_status(), 1);
    }
}
