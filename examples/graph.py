"""A network that is not a chain: a residual block, and two branches that are joined."""

from convgrad import Network, load_data
from convgrad.layers import Add, BatchNorm, Concatenate, Conv2D, Dense, Flatten, Input, MaxPool2D, ReLU

digits = load_data("digits")
image = Input(digits.image_shape)
stem = MaxPool2D(2)(ReLU()(BatchNorm(momentum=0.9)(Conv2D(16, 3, padding="same", bias=None)(image))))
residual = ReLU()(Add()(stem, Conv2D(16, 3, padding="same")(stem)))
branches = Concatenate()(Conv2D(8, 1)(residual), Conv2D(8, 3, padding="same")(residual))
network = Network(inputs=image, outputs=Dense(10)(Flatten()(MaxPool2D(2)(ReLU()(branches)))))
print(network.summary())
network.fit(digits.train_images, digits.train_labels, epochs=2, optimizer="adam", verbose=False)
print(f"test accuracy {network.evaluate(digits.test_images, digits.test_labels)['accuracy']:.1%}")
