"""Messages between the processes of an installation, over RabbitMQ: look now, what does your cloud have, and
notifications for others. No work is ever owned by a message: losing them all costs a poll interval."""
