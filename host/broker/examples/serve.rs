//! Serves a data directory until it is told to stop: `serve PORT DATA_DIR [never|interval|always] [name=value ...]`.
//!
//! Prints the address on one line when it is ready. Names: `maintenance.ms`.

use millrace_broker::{Broker, BrokerConfig, Flush};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().ok_or_else(|| anyhow::anyhow!("{what} is missing; usage: serve PORT DATA_DIR"));
    let port: u16 = next("PORT")?.parse()?;
    let mut config = BrokerConfig::new(next("DATA_DIR")?);
    config.listener = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    for argument in arguments {
        match argument.split_once('=') {
            None if argument == "never" => config.flush = Flush::Never,
            None if argument == "interval" => config.flush = Flush::Interval(Duration::from_secs(1)),
            None if argument == "always" => config.flush = Flush::Always,
            Some(("maintenance.ms", value)) => config.maintenance_interval = Duration::from_millis(value.parse()?),
            _ => anyhow::bail!("unknown argument {argument:?}"),
        }
    }
    let broker = Broker::start(config).await?;
    println!("{}", broker.address());
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    broker.stop().await;
    Ok(())
}
