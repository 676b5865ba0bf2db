"""Probes, metrics and documentation: all without a login."""

from sqlalchemy import text

from tests.api.conftest import Api, assert_problem


async def test_a_healthy_instance_says_so_with_service_and_version(api: Api) -> None:
    answer = await api.client.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "Healthy",
        "service": "everpost",
        "version": "1.2.3",
        "components": {"database": "Healthy", "temporal": "Healthy", "worker": "Healthy"},
    }


async def test_alive_and_ready_have_their_exact_shapes(api: Api) -> None:
    assert (await api.client.get("/health/live")).json() == {"alive": True}
    assert (await api.client.get("/health/ready")).json() == {"ready": True}


async def test_without_temporal_it_is_degraded_alive_and_not_ready(api: Api) -> None:
    api.temporal.answers = False
    health = await api.client.get("/health")
    assert (health.status_code, health.json()["status"]) == (200, "Degraded")
    assert (await api.client.get("/health/live")).status_code == 200
    ready = await api.client.get("/health/ready")
    assert (ready.status_code, ready.json()) == (503, {"ready": False})


async def test_the_embedded_run_is_ready_only_when_a_worker_answers(api: Api) -> None:
    api.temporal.workers = False
    assert (await api.client.get("/health/ready")).status_code == 503


async def test_without_its_tables_it_is_unhealthy(api: Api) -> None:
    async with api.services.database.write() as connection:
        await connection.execute(text("DROP TABLE alembic_version"))
    health = await api.client.get("/health")
    assert (health.status_code, health.json()["status"]) == (503, "Unhealthy")


async def test_metrics_count_requests_by_route_and_never_by_address(
    api: Api, question: str
) -> None:
    await api.ask("POST", "/api/v1/cases", {"spec_id": question})
    await api.ask("GET", "/api/v1/cases/some-case")
    await api.client.get("/somewhere/else")
    exposed = (await api.client.get("/metrics")).text
    assert (
        'everpost_http_requests_total{method="GET",route="/api/v1/cases/{id}",status="404"} 1.0'
        in exposed
    )
    assert 'everpost_open_cases{definition="question",tenant="default"} 1.0' in exposed
    assert 'everpost_intake_rows{state="routed",tenant="default"} 1.0' in exposed
    assert "some-case" not in exposed
    assert "somewhere" not in exposed


async def test_the_documentation_needs_nothing_from_elsewhere(api: Api) -> None:
    for path in ("/docs", "/swagger"):
        page = await api.client.get(path)
        assert page.status_code == 200
        assert "https://" not in page.text
    script = await api.client.get("/docs-assets/swagger-ui-bundle.js")
    assert script.status_code == 200
    described = (await api.client.get("/openapi.json")).json()
    assert "ProblemDetails" in described["components"]["schemas"]


async def test_unknown_addresses_and_methods_are_problems_too(api: Api) -> None:
    assert_problem(await api.client.get("/nothing"), 404, "not-found")
    answer = await api.client.delete("/health")
    assert_problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET"


async def test_a_refused_method_is_told_every_method_of_the_address(api: Api) -> None:
    answer = await api.client.request("PURGE", "/api/v1/mailboxes/some")
    assert_problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "DELETE, GET, PATCH"
