"""Trains a classifier of Iris flowers, in a second."""

from paddle_training import classifier, training


@training.program
def main(run: training.Run) -> None:
    import paddle
    from sklearn.datasets import load_iris

    train, held_out = classifier.split(*load_iris(return_X_y=True))
    network = paddle.nn.Sequential(
        paddle.nn.Linear(4, 16), paddle.nn.ReLU(), paddle.nn.Linear(16, 3)
    )
    optimizer = paddle.optimizer.Momentum(0.01, parameters=network.parameters())
    classifier.train(run, network, optimizer, train, held_out, epochs=30, batch_size=10)


main()
