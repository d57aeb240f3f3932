//! `hyper` on `tokio`: an HTTP server under load, on two threads.

#[cfg(not(feature = "programs"))]
use crate::workload::not_built;
use crate::{Class, Info, Mix, Outcome, Tagger, Workload};

workloads![Hyper];

/// Sixteen connections, each with one request after the other: the server parses a body of JSON, answers with another
/// and forgets both. The handler enters one of four regions; hyper and tokio themselves allocate in none.
pub struct Hyper;

impl Workload for Hyper {
    const INFO: Info = Info {
        id: "hyper",
        about: "hyper on tokio, two threads: 16 connections post JSON of 1 KB and get JSON back",
        operation: "request",
        mix: Mix::FourRegions,
        class: Class::LargeProgram,
        iterations: 30,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        #[cfg(feature = "programs")]
        return work::run(tagger, iterations);
        #[cfg(not(feature = "programs"))]
        not_built(Self::INFO.id, tagger, iterations)
    }
}

#[cfg(feature = "programs")]
mod work {
    use std::hint::black_box;
    use std::net::SocketAddr;

    use http_body_util::{BodyExt, Full};
    use hyper::body::{Bytes, Incoming};
    use hyper::service::service_fn;
    use hyper::{Request, Response};
    use hyper_util::rt::TokioIo;
    use serde_json::{Value, json};
    use tokio::net::{TcpListener, TcpStream};

    use crate::{Outcome, REGIONS, Tagger};

    const CONNECTIONS: u64 = 16;
    /// One iteration is this many requests on each connection.
    const REQUESTS: u64 = 8;
    const THREADS: usize = 2;

    type Failure = Box<dyn std::error::Error + Send + Sync>;

    pub fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .enable_io()
            .build()
            .expect("two threads can be started");
        runtime.block_on(serve_and_ask(tagger, iterations)).expect("the server and the client are in this process")
    }

    async fn serve_and_ask<T: Tagger>(tagger: T, iterations: u64) -> Result<Outcome, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service_fn(move |request| answer(tagger, request))),
                );
            }
        });
        ask(address, REQUESTS).await?;
        let watch = crate::Stopwatch::start();
        let requests = iterations * REQUESTS;
        let clients: Vec<_> = (0..CONNECTIONS).map(|_| tokio::spawn(ask(address, requests))).collect();
        for client in clients {
            client.await??;
        }
        Ok(watch.stop(requests * CONNECTIONS))
    }

    async fn answer<T: Tagger>(tagger: T, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Failure> {
        let body = request.into_body().collect().await?.to_bytes();
        let _in = tagger.enter(body.len() % REGIONS);
        let asked: Value = serde_json::from_slice(&body)?;
        let items: Vec<Value> =
            asked["items"].as_array().into_iter().flatten().map(|item| json!({ "of": item })).collect();
        let told = serde_json::to_vec(&json!({ "user": asked["user"], "items": items }))?;
        Ok(Response::new(Full::new(told.into())))
    }

    async fn ask(address: SocketAddr, requests: u64) -> Result<(), Failure> {
        let stream = TcpStream::connect(address).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        for number in 0..requests {
            let items: Vec<Value> = (0..16).map(|item| json!({ "id": item, "name": "something to buy" })).collect();
            let body = serde_json::to_vec(&json!({ "user": number, "items": items }))?;
            let request = Request::post("/").header("host", "here").body(Full::new(Bytes::from(body)))?;
            // The one before is done, but its connection may not have said so yet.
            sender.ready().await?;
            black_box(sender.send_request(request).await?.into_body().collect().await?);
        }
        Ok(())
    }
}
