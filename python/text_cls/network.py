"""A small transformer encoder over characters, in the manner of ERNIE."""

import paddle
from paddle import nn

from text_cls import vocabulary

LENGTH = 64  # tokens that are read, [CLS] included
WIDTH = 64
HEADS = 4
LAYERS = 2
DROPOUT = 0.1


class TextClassifier(nn.Layer):  # type: ignore[misc]  # paddle has no type stubs
    """Embeddings of characters and places, two layers of attention, a class from [CLS]'s place.

    There are no segments: a row is one sentence. LayerNorm comes before each part of a layer, not
    after it as in ERNIE: so it trains without a long warm-up.
    """

    def __init__(self, tokens: int, classes: int) -> None:
        super().__init__()
        normal = nn.initializer.Normal(0.0, 0.02)
        self.characters = nn.Embedding(tokens, WIDTH, weight_attr=normal)
        self.places = self.create_parameter([LENGTH, WIDTH], default_initializer=normal)
        self.norm = nn.LayerNorm(WIDTH)
        self.dropout = nn.Dropout(DROPOUT)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 2 * WIDTH, DROPOUT, activation="relu", normalize_before=True
        )
        self.encoder = nn.TransformerEncoder(layer, LAYERS, nn.LayerNorm(WIDTH))
        self.classify = nn.Linear(WIDTH, classes)

    def forward(self, token_ids: paddle.Tensor) -> paddle.Tensor:
        """From int64 [N, L], padded by [PAD], to [N, classes]: a logit for each class.

        Any L will do: what is beyond LENGTH is not read.
        """
        token_ids = token_ids[:, :LENGTH]
        places = self.places[: paddle.shape(token_ids)[1]]
        x = self.dropout(self.norm(self.characters(token_ids) + places))
        # Nobody looks at padding: what is added to its scores leaves exp() nothing but 0.
        padding = paddle.cast(token_ids == vocabulary.PAD, x.dtype) * -1e9
        x = self.encoder(x, paddle.unsqueeze(padding, [1, 2]))
        return self.classify(x[:, 0])
