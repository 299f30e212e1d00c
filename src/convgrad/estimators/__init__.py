"""Networks as estimators of scikit-learn, which has to be installed: `pip install 'convgrad[sklearn]'`.

>>> from sklearn.datasets import load_iris
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from convgrad.estimators import ConvgradClassifier
>>> x, y = load_iris(return_X_y=True)
>>> model = make_pipeline(StandardScaler(), ConvgradClassifier(random_state=0))
>>> bool(model.fit(x, y).score(x, y) > 0.9)
True
"""

from convgrad.errors import ArgumentError

try:
    import sklearn  # noqa: F401
except ImportError as missing:
    raise ArgumentError(
        "convgrad.estimators: scikit-learn is not installed, which these estimators are written for. Install it, as "
        "with `pip install 'convgrad[sklearn]'`."
    ) from missing

from convgrad.estimators.classifier import ConvgradClassifier
from convgrad.estimators.regressor import ConvgradRegressor

__all__ = ["ConvgradClassifier", "ConvgradRegressor"]
