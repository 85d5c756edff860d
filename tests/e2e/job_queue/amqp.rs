//! RabbitMQ as the queue of many machines.

use std::sync::Arc;

use async_trait::async_trait;
use fbs_suite::certificates::Certificates;
use fbs_suite::rabbitmq::RabbitMq;
use fbs_suite::{Folders, need};
use image_builder::error::{ErrorKind, StageError};
use image_builder::queue::{Amqp, AmqpBroker, JobQueue, QueueError};
use image_builder::secret::Secret;

use super::Place;
use super::contract::CHECKS;
use crate::queue::NEEDS;

struct Broker(AmqpBroker);

#[async_trait]
impl Place for Broker {
    async fn open(&self) -> Result<Arc<dyn JobQueue>, QueueError> {
        Ok(Arc::new(Amqp::new(&self.0)?))
    }
}

fn broker(url: &str) -> AmqpBroker {
    AmqpBroker {
        url: url.to_owned(),
        ..AmqpBroker::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rabbitmq_keeps_the_contract() {
    if !need::met(&[NEEDS]) {
        return;
    }
    let folders = Folders::new();
    let certificates = Certificates::make(folders.top());
    let node = RabbitMq::start(folders.top(), &certificates);
    let place = Broker(broker(&node.url_with_password()));
    for (name, check) in CHECKS {
        println!("{name}");
        check(&place).await;
    }
    // With TLS, by an authority that is named.
    let tls = AmqpBroker {
        password: Some(Secret::new(fbs_suite::rabbitmq::LOGIN.1)),
        authorities: Some(std::fs::read(&certificates.authority).unwrap()),
        ..broker(&node.tls_url())
    };
    let queue = Amqp::new(&tls).unwrap();
    queue.append(&[]).await.unwrap();
    queue.listen(&[]).await.unwrap();
    let untrusted = AmqpBroker {
        authorities: None,
        ..tls
    };
    let error = Amqp::new(&untrusted)
        .unwrap()
        .listen(&[])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    let stranger = broker(&node.url_with_password().replace("fbs:", "somebody:"));
    let error = Amqp::new(&stranger).unwrap().listen(&[]).await.unwrap_err();
    assert!(matches!(error, QueueError::Login { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Network);
    for url in ["http://127.0.0.1/", "amqp//x", ""] {
        let error = Amqp::new(&broker(url)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{url}: {error}");
    }
}
