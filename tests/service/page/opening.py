"""Opens the page as visitors have it: on a phone or a desktop, light or dark, with their preferences."""

from dataclasses import dataclass, field
from typing import Literal

from playwright.sync_api import Browser, ConsoleMessage, Page, expect

PHONE_WIDTH = 600  # pixels; a narrower page is that of a phone, with a touch screen
# a browser logs each refused request itself
REFUSED = "Failed to load resource"


@dataclass
class Opener:
    """Opens pages of a server, and watches what they log; see the fixture `open_page`."""

    browser: Browser
    address: str
    pages: list[Page] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __call__(
        self,
        width: int = 1280,
        height: int | None = None,
        *,
        scheme: Literal["light", "dark"] = "light",
        reduced_motion: bool = False,
        forced_colors: bool = False,
        more_contrast: bool = False,
        address: str | None = None,
        is_loaded: bool = True,
    ) -> Page:
        """Open the page of the server `address` (host:port), this server's if None, in a context of its own.

        A page below 600 pixels is a phone's, with a touch screen. Without `is_loaded` the page is blank yet, for tests
        that set up its network first, and then call `page.goto("")`. Otherwise the models and all parts are there.
        """
        is_phone = width < PHONE_WIDTH
        page = self.browser.new_page(
            base_url=f"http://{address or self.address}/",
            viewport={"width": width, "height": height or (740 if is_phone else 900)},
            is_mobile=is_phone,
            has_touch=is_phone,
            color_scheme=scheme,
            reduced_motion="reduce" if reduced_motion else "no-preference",
            forced_colors="active" if forced_colors else "none",
            contrast="more" if more_contrast else "no-preference",
            accept_downloads=True,
        )
        self.watch(page)
        if is_loaded:
            page.goto("")
            expect(page.locator("#model option")).not_to_have_count(0)
            expect(page.locator("#work")).not_to_have_attribute("aria-busy", "true")
        return page

    def watch(self, page: Page) -> None:
        """Collect what this page logs as errors and warnings, and close it at the end."""

        def note(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning") and REFUSED not in message.text:
                self.errors.append(message.text)

        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", note)
        self.pages.append(page)

    def close(self) -> None:
        """Close all pages; raises AssertionError if one of them has logged an error or a warning."""
        for page in self.pages:
            page.close()
        assert self.errors == []
