-- What is past its lifetime is found without reading the rest of the queue.
CREATE INDEX queue_remote_expires ON queue_remote (expires);
