"""A depthwise-gated convolution, given as text only, learns handwritten digits inside a network."""

from convgrad import Network, load_data
from convgrad.layers import Dense, Equation, Flatten, MaxPool2D, ReLU
from convgrad.optimizers import SGD

GATED = """
    f[i,j,c] = sum[m,n](u[m,n,c] * o[i+m,j+n,c])
    g[i,j,c] = sigmoid(sum[m,n](v[m,n,c] * o[i+m,j+n,c]) + a[c])
    x[i,j,k] = sum[c](w[c,k] * g[i,j,c] * f[i,j,c]) + b[k]
"""

digits = load_data("digits")
network = Network(
    Equation(GATED, sizes={"M": 5, "N": 5, "K": 12}),
    ReLU(),
    MaxPool2D(2),
    Equation(GATED, sizes={"M": 3, "N": 3, "K": 24}),
    ReLU(),
    MaxPool2D(2),
    Flatten(),
    Dense(10),
    input_shape=digits.image_shape,
)
print(network.summary())
network.fit(digits.train_images, digits.train_labels, epochs=3, optimizer=SGD(0.1, momentum=0.9), verbose=False)
print(f"test accuracy {network.evaluate(digits.test_images, digits.test_labels)['accuracy']:.1%}")
