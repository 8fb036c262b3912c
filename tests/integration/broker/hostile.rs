//! Bytes that no client sends.

use super::*;
use rand::{Rng, SeedableRng};
use std::io::{Read, Write};
use std::net::TcpStream;

fn throw(address: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    let _ = socket.write_all(bytes);
    let _ = socket.read(&mut [0; 100]);
    Ok(())
}

#[tokio::test]
async fn garbage_frames_end_a_connection_and_nothing_else() -> anyhow::Result<()> {
    let mut cluster = Cluster::embedded(&[])?;
    let topic = cluster.topic(1, &[]).await?;
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    // Metadata version 1 with an array of two thousand million topics, in 22 bytes.
    let mut bomb = vec![0, 0, 0, 18, 0, 3, 0, 1, 0, 0, 0, 1, 0, 4];
    bomb.extend_from_slice(b"test\x7f\xff\xff\xff");
    throw(&cluster.address, &bomb)?;
    throw(&cluster.address, &i32::MAX.to_be_bytes())?;
    throw(&cluster.address, &(-1i32).to_be_bytes())?;
    throw(&cluster.address, b"GET / HTTP/1.1\r\n\r\n")?;
    for _ in 0..300 {
        let (key, version) = (random.random_range(0..65i16), random.random_range(0..14i16));
        let body: Vec<u8> = (0..random.random_range(0..200)).map(|_| random.random_range(0..8u8)).collect();
        let mut frame = ((8 + body.len()) as i32).to_be_bytes().to_vec();
        frame.extend_from_slice(&key.to_be_bytes());
        frame.extend_from_slice(&version.to_be_bytes());
        frame.extend_from_slice(&[0, 0, 0, 1]);
        frame.extend_from_slice(&body);
        throw(&cluster.address, &frame)?;
    }
    ensure!(cluster.is_alive());
    send(&cluster.producer(&[])?, &topic, &numbers(0..3)).await?;
    ensure!(cluster.read(&topic, 0, Offset::Beginning, 3)?.len() == 3);
    Ok(())
}

#[tokio::test]
async fn a_slow_reader_blocks_nobody() -> anyhow::Result<()> {
    let mut cluster = Cluster::embedded(&[])?;
    let topic = cluster.topic(1, &[]).await?;
    let producer = cluster.producer(&[])?;
    let large = "x".repeat(500_000);
    for _ in 0..40 {
        producer.send(FutureRecord::<str, str>::to(&topic).payload(&large), PATIENCE).await.map_err(|(error, _)| error)?;
    }
    // Fetch version 4 of everything, whose answer is never read.
    let mut body: Vec<u8> = vec![0, 1, 0, 4, 0, 0, 0, 1, 0, 1, b'x'];
    for number in [-1, 100, 1, 50_000_000] {
        body.extend_from_slice(&i32::to_be_bytes(number));
    }
    body.push(0);
    body.extend_from_slice(&1i32.to_be_bytes());
    body.extend_from_slice(&(topic.len() as i16).to_be_bytes());
    body.extend_from_slice(topic.as_bytes());
    body.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0]);
    body.extend_from_slice(&0i64.to_be_bytes());
    body.extend_from_slice(&50_000_000i32.to_be_bytes());
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut socket = TcpStream::connect(&cluster.address)?;
        socket.write_all(&(body.len() as i32).to_be_bytes())?;
        socket.write_all(&body)?;
        slow.push(socket);
    }
    ensure!(cluster.read(&topic, 0, Offset::Beginning, 40)?.len() == 40);
    ensure!(cluster.is_alive());
    Ok(())
}
