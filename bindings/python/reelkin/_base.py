"""What the asyncio and the blocking client share: their construction and the methods that do not wait."""

from __future__ import annotations

import os
from typing import NoReturn, Optional, Union

from . import _native, _values
from ._options import CallOptions
from ._process import ProcessBound
from ._token import TokenProvider, TokenSource
from ._typing import Self
from ._values import AspectRatio, Resolution, Seconds, Usd, VideoModel, optional
from ._waiting import Abandoned


class Budget(_native.Budget):
    """Spending limits, checked against the library's ledger.

    Args:
        per_request: Maximum cost of one request, in dollars: a `Decimal` or its text, not a float.
        per_day: Maximum cost per day in UTC.
        per_library: Maximum cost of the library in total.
        unknown_prices: Whether to allow requests that the model table has no price for.
    """

    def __init__(
        self,
        *,
        per_request: Optional[Usd] = None,
        per_day: Optional[Usd] = None,
        per_library: Optional[Usd] = None,
        unknown_prices: bool = False,
    ) -> None:
        super().__init__(
            per_request=per_request, per_day=per_day, per_library=per_library, unknown_prices=unknown_prices
        )


class BaseClient(ProcessBound):
    """What the asyncio and the blocking client share: their construction, and the methods that do not wait."""

    def __init__(
        self,
        library: Union[str, os.PathLike[str]],
        *,
        api_key: Optional[str] = None,
        base_url: Optional[str] = None,
        budget: Optional[_native.Budget] = None,
        defaults: Optional[_native.Defaults] = None,
        validation: Optional[_native.Validation] = None,
        poll: Optional[_native.PollPolicy] = None,
        download: Optional[_native.DownloadPolicy] = None,
        rate_limit: Optional[_native.RateLimit] = None,
        timeouts: Optional[_native.Timeouts] = None,
        planner: Optional[_native.PlannerSettings] = None,
        models: Optional[str] = None,
        proxy: Optional[str] = None,
        no_proxy: Optional[str] = None,
        root_certificates: Optional[str] = None,
        token: Optional[TokenSource] = None,
    ) -> None:
        """Creates a client for a library.

        Fields of settings such as `poll` that are left out have their default: `PollPolicy(deadline=300)`.

        Args:
            library: The folder that stores the clips. Created if it does not exist.
            api_key: The API key. Defaults to the environment variable `XAI_API_KEY`.
            base_url: The base URL of another server that speaks the service's protocol, such as a `Sandbox`.
            budget: The spending limits.
            defaults: The values for request arguments that are left out.
            validation: What to do with a request that violates the model table.
            poll: How jobs are polled.
            download: The limits of downloads.
            rate_limit: The maximum request rate.
            timeouts: The timeouts of single requests to the service.
            planner: How and when prompts are planned.
            models: A custom model table as TOML text.
            proxy: The http or https proxy for calls of the API and downloads, such as
                `http://user:password@10.0.0.5:3128`. Defaults to the environment variable `HTTPS_PROXY` or `ALL_PROXY`.
                Requests to this machine never use it.
            no_proxy: The targets that are reached without the proxy, separated by commas: hosts, addresses and
                networks. Defaults to the environment variable `NO_PROXY`.
            root_certificates: Certificate authorities to trust besides those of the system, as PEM text.
            token: A function, async or not, that supplies tokens instead of a key. It returns a `str` or an
                `AccessToken`, which also has a lifetime.

        Raises:
            ConfigError: There is no key, both a key and `token` are given, the base URL would leak the key, or the
                proxy or a certificate is not valid.
            LibraryError: The folder cannot be written.
            InvalidRequestError: No call could use these settings.
        """
        self._tokens = None if token is None else TokenProvider(token)
        self._native = _native.VideoClient(
            _native.ClientOptions(
                library=_values.path("library", library),
                api_key=optional(_values.text, "api_key", api_key),
                base_url=optional(_values.text, "base_url", base_url),
                budget=budget,
                defaults=defaults,
                validation=validation,
                poll=poll,
                download=download,
                rate_limit=rate_limit,
                timeouts=timeouts,
                planner=planner,
                models=optional(_values.text, "models", models),
                proxy=optional(_values.text, "proxy", proxy),
                no_proxy=optional(_values.text, "no_proxy", no_proxy),
                root_certificates=optional(_values.text, "root_certificates", root_certificates),
            ),
            self._tokens,
        )
        self._options = CallOptions()
        self._abandoned = Abandoned()
        self._owns_native = True
        self._repr = f"<reelkin.{type(self).__name__} on {os.fspath(library)!r}>"

    def __repr__(self) -> str:
        return self._repr

    def _remember_loop(self) -> None:
        if self._tokens is not None:
            self._tokens.remember_loop()

    @property
    def service(self) -> str:
        """The scheme, host and port of the service."""
        return self._native.service()

    @property
    def models(self) -> _native.ModelTable:
        """The model table that requests are checked against: models, limits and prices."""
        return self._native.models()

    def with_options(
        self,
        *,
        timeout: Optional[Seconds] = None,
        model: Optional[VideoModel] = None,
        duration: Optional[Seconds] = None,
        resolution: Optional[Resolution] = None,
        aspect_ratio: Optional[AspectRatio] = None,
        audio: Optional[bool] = None,
        plan: Union[bool, _native.PlannerSettings, None] = None,
        user: Optional[str] = None,
        **others: NoReturn,
    ) -> Self:
        """Returns a client with other values for arguments that are left out. It shares everything else with this one.

        `continue_from` with the strategies `"auto"` and `"extend"` takes only `timeout`, `plan` and `user` from here, because the
        others would rule out an extension. Options that are not given are those of this client. Only closing the client that was created with a library
        closes it: closing the returned one, also at the end of a `with` statement, does nothing.

        Args:
            timeout: The timeout of `generate`, `edit`, `extend`, `continue_from` and `chain`. A call can have another one.
            model: The model to use.
            duration: The length of new clips. Seconds that `extend` adds have a default of their own.
            resolution: The resolution, such as `"720p"`.
            aspect_ratio: The aspect ratio of clips that do not start from an image, such as `"16:9"`.
            audio: Whether clips have sound.
            plan: Whether a language model rewrites prompts first, which is an additional paid call.
            user: The id of your end user, for the service's abuse monitoring.
            others: No other option can be changed. A client with another library, key or budget has to be created.
        """
        for name in others:
            # The names of the arguments of `__init__`.
            if name in BaseClient.__init__.__annotations__:
                raise TypeError(f"with_options cannot change {name}, which all calls share: create another client")
            raise TypeError(f"with_options() got an unexpected keyword argument {name!r}")
        options = self._options.replace(
            timeout=timeout,
            model=model,
            duration=duration,
            resolution=resolution,
            aspect_ratio=aspect_ratio,
            audio=audio,
            plan=plan,
            user=user,
        )
        client = object.__new__(type(self))
        vars(client).update(vars(self), _options=options, _owns_native=False)
        return client
