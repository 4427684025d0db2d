"""The application: requests for unknown paths."""

from tests.streamusage.service.conftest import USAGE, Estate
from tests.support.service.answers import is_failure


async def test_unknown_paths_and_versions_are_404_in_the_same_shape(estate: Estate) -> None:
    for path in ("/", "/nothing", "/streammanager/api/2.0/admin/event/usage", "/api/v1/nothing", f"/x{USAGE}"):
        answer = await estate.http.get(path, params={"accessToken": "admin-token"})
        assert answer.status_code == 404, path
        assert is_failure(answer.json())
