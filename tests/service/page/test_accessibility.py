"""Whether everybody can use the page: contrasts, names, sizes, and a server that is away for a while."""

from typing import Literal

import pytest
from playwright.sync_api import expect

from tests.service.page.accessibility import assert_accessible
from tests.service.page.network import no_network, slow_network
from tests.service.page.opening import Opener
from tests.service.page.returning_server import ReturningServer
from tests.service.page.visitor import GOLDEN, choose


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_axe_finds_nothing_in_the_page_without_and_with_a_picture(
    open_page: Opener, width: int, scheme: Literal["light", "dark"]
) -> None:
    page = open_page(width, scheme=scheme)
    assert_accessible(page)
    choose(page, "cells.png", GOLDEN)
    expect(page.locator("#rows tr")).to_have_count(2)
    assert_accessible(page)


def test_the_page_waits_for_a_server_that_is_away(open_page: Opener, returning_server: ReturningServer) -> None:
    page = open_page(address=returning_server.address)
    returning_server.stop()
    choose(page, "cells.png", GOLDEN)
    expect(page.locator("#problem-title")).to_have_text("The server does not answer.")
    returning_server.start()
    page.locator("#retry").click()
    expect(page.locator("#rows tr")).to_have_count(2)


def test_the_page_works_over_a_slow_network_that_fails_for_a_while(open_page: Opener) -> None:
    page = open_page(is_loaded=False)
    with slow_network(page):
        page.goto("")
        expect(page.locator("#model option")).to_have_count(2)
    with no_network(page):
        choose(page, "cells.png", GOLDEN)
        expect(page.locator("#problem-title")).to_have_text("The server does not answer.")
    page.locator("#retry").click()
    expect(page.locator("#rows tr")).to_have_count(2)
