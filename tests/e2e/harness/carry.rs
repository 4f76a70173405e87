//! Two byte streams joined for a test: ends become ends, and resets resets.

use std::io;
use std::time::Duration;

use socket2::Socket;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How long an answer may take to get through whose far side has gone.
const GRACE: Duration = Duration::from_secs(1);

/// Both ways at once; a failure ends both. Only what is not taken at the far
/// side ends one: who takes no more may have answered before.
pub(super) async fn pump(
    near: (impl AsyncRead + AsyncWrite, &Socket),
    far: (impl AsyncRead + AsyncWrite, &Socket),
) -> io::Result<()> {
    let (near_in, near_out) = tokio::io::split(near.0);
    let (far_in, far_out) = tokio::io::split(far.0);
    let mut there = std::pin::pin!(carry(near_in, far_out, near.1));
    let mut back = std::pin::pin!(carry(far_in, near_out, far.1));
    let (mut taken, mut answered) = (None, false);
    while taken.is_none() || !answered {
        tokio::select! {
            carried = &mut there, if taken.is_none() => taken = Some(carried?),
            carried = &mut back, if !answered => {
                carried??;
                answered = true;
            }
            // Who has ended can still be reset.
            error = failure(near.1), if taken.is_some() => return Err(error),
            error = failure(far.1), if answered => return Err(error),
            // Nor is it waited for who does not take the answer.
            () = tokio::time::sleep(GRACE), if matches!(taken, Some(Err(_))) => break,
        }
    }
    taken.unwrap_or(Ok(()))
}

/// Fails if nothing more can come, or else says whether all was taken.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    socket: &Socket,
) -> io::Result<io::Result<()>> {
    let mut bytes = vec![0; 32 << 10];
    loop {
        let read = from.read(&mut bytes).await?;
        if read == 0 {
            return Ok(to.shutdown().await);
        }
        let written = async {
            to.write_all(&bytes[..read]).await?;
            to.flush().await
        };
        // Nobody reads meanwhile, and a reset must not wait for that.
        let taken = tokio::select! {
            written = written => written,
            error = failure(socket) => return Err(error),
        };
        if taken.is_err() {
            return Ok(taken);
        }
    }
}

/// Waits until `socket` has failed.
async fn failure(socket: &Socket) -> io::Error {
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if let Ok(Some(error)) = socket.take_error() {
            return error;
        }
    }
}
