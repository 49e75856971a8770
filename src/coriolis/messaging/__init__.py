"""Messages between the processes of an installation, over RabbitMQ: look now, what does your cloud have, and
notifications for others. No work is ever owned by a message: losing them all costs a poll interval."""

from oslo_service import backend

# Before the first import of oslo.messaging, which would choose eventlet. Nothing is monkey-patched either way, but
# nothing of ours should ever run on its hubs.
backend.init_backend(backend.BackendType.THREADING)
