"""The policy page by forms and by the script's calls: who may, what is explained, what is saved."""

import re
import time
from html import unescape

import pytest
from judged_images import JudgedImages, policy_params
from panel_app import panel_app

from admin.policy.form import MOST_NOTE, PolicyForm, form_of, read_form, read_images
from admin.policy.trial import effect_of
from admin.ports.policies import Trial
from cloud.clock import utc_now
from cloud.moderation.items import State
from cloud.moderation.policy import read_policy
from cloud.moderation.policy_check import Recorded
from cloud.moderation.policy_quality import Judged
from cloud.moderation.types import Outcome, Policy, Threshold
from cloud.operations import Set
from ml_models.types import Label, Prediction
from server.moderation.policy_changes import PolicyChanges
from server.objects.system_classes import SYSTEM_CLASSES
from server.storage.port import Equals

PORN = {"Porn": (0.4, 0.8)}


@pytest.fixture
def panel(tmp_path, models_dir):
    with panel_app(tmp_path, models_dir) as panel:
        yield panel


@pytest.fixture
def alice(panel):
    return Admin(panel, "alice")


def put(panel, thresholds, automation=True):
    params = policy_params(thresholds, automation)
    panel.services.parse_config.write({name: Set(value) for name, value in params.items()}, {})


def stored(panel):
    params, _ = panel.services.parse_config.read()
    return params.get("moderationScores"), params.get("moderationAutomation")


class Admin:
    """Somebody in front of the policy page."""

    def __init__(self, panel, name):
        self.visitor = panel.signed_in(name)

    def look(self, **query):
        """Open the page; wait until the newest images are read."""
        deadline = time.monotonic() + 60
        while True:
            self.page = self.visitor.get("/policy", **query)
            if "are being read" not in self.page.text:
                return self.page
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def fields(self):
        """What a browser would send of the form on the page."""
        text = self.page.text
        found = dict(re.findall(r'name="([\w-]+)"[^>]* value="([^"]*)"', text))
        unchecked = re.findall(r'name="((?:on-\w+|automation))" value="on"(?![^>]*checked)', text)
        found["note"] = unescape(re.search(r"<textarea[^>]*>(.*?)</textarea>", text, re.S)[1])
        return {k: v for k, v in found.items() if k not in unchecked and k != "action"}

    def send(self, action, **changes):
        """Change fields, and press a button; None leaves a field out."""
        fields = {**self.fields(), "action": action, **changes}
        fields = {name: value for name, value in fields.items() if value is not None}
        self.page = self.visitor.post("/policy", fields, token=fields["csrf_token"])
        return self.page

    def save(self, **changes):
        return self.send("save", **changes)

    def preview(self, **changes):
        """As the script does."""
        fields = {**self.fields(), **changes}
        fields = {name: value for name, value in fields.items() if value is not None}
        return self.visitor.send("/policy/preview", fields, token=fields["csrf_token"])

    @property
    def text(self):
        return re.sub(r"\s+", " ", unescape(re.sub("<[^>]*>", " ", self.page.text)))

    @property
    def notices(self):
        found = re.findall(r'<(p|div) class="notice[^>]*>(.*?)</\1>', self.page.text, re.S)
        return " ".join(unescape(re.sub("<[^>]*>", " ", text)) for _, text in found)


@pytest.mark.parametrize(("locale", "words"), [("en", "at the start"), ("de", "zu Beginn")])
def test_a_new_install_has_its_policy_from_the_start(panel, alice, locale, words):
    panel.services.parse_config.current()
    page = alice.visitor.client.get("/admin/policy", headers={"Accept-Language": locale}).text
    assert page.count(words) == 2, "beside the version, and in the history"
    assert "another program" not in page
    assert "einem anderen Programm" not in page


# --- who may --------------------------------------------------------------------------------------


def test_moderators_who_are_no_admins_are_refused(panel):
    bob = panel.signed_in("bob")
    token = bob.token("/account")
    assert bob.get("/policy").status_code == 403
    assert bob.post("/policy", {"action": "save"}, token=token).status_code == 403
    assert bob.send("/policy/preview", {}, token=token).status_code == 403


def test_change_without_this_sites_token_is_refused(alice, panel):
    put(panel, PORN)
    alice.look()
    fields = {**alice.fields(), "min-Porn": "0.1", "action": "save", "csrf_token": "forged"}
    assert alice.visitor.post("/policy", fields, token="forged").status_code == 400
    assert alice.visitor.send("/policy/preview", fields, token="forged").status_code == 400
    assert stored(panel)[0] == policy_params(PORN)["moderationScores"]


# --- saving ---------------------------------------------------------------------------------------


def test_saved_policy_is_in_parse_config_with_author_and_note(alice, panel):
    put(panel, PORN)
    alice.look()
    saved = {"min-Porn": "0.35", "on-Drawing": "on", "min-Drawing": "0.5", "max-Drawing": "1"}
    answer = alice.save(note="too much came through", **saved)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/admin/policy?images=1000")
    wanted = policy_params({"Porn": (0.35, 0.8), "Drawing": (0.5, 1)})
    assert stored(panel) == (wanted["moderationScores"], True)
    alice.look()
    assert "Version 2 is in force" in alice.text
    first_line = alice.page.text.split("<tbody>")[-1].split("</tr>")[0]
    assert "alice" in first_line
    assert "too much came through" in first_line


def test_class_and_automation_can_be_switched_off(alice, panel):
    put(panel, {**PORN, "Sexy": (0.6, 0.9)})
    alice.look()
    assert alice.save(**{"on-Sexy": None, "automation": None}).status_code == 303
    assert stored(panel) == (policy_params(PORN)["moderationScores"], False)


def test_policy_that_is_in_force_already_makes_no_change(alice, panel):
    put(panel, PORN)
    alice.look()
    assert alice.save(note="again").status_code == 200
    assert "This is the policy that is in force already." in alice.notices
    assert "again" in alice.fields()["note"]
    assert len(panel_changes(panel)) == 1


def panel_changes(panel):
    return PolicyChanges(panel.database, panel.services.schemas).list(100)


def test_second_admin_is_told_and_keeps_what_was_typed(alice, panel):
    put(panel, PORN)
    alice.look()
    other = Admin(panel, "alice")
    other.look()
    assert other.save(**{"min-Porn": "0.5"}).status_code == 303
    answer = alice.save(**{"min-Porn": "0.1"})
    assert answer.status_code == 409
    assert "Not saved: alice put version 2 in force since you opened the page." in alice.notices
    assert alice.fields()["min-Porn"] == "0.1"
    assert stored(panel)[0]["Porn"]["min"] == 0.5
    assert alice.save().status_code == 303, "who has been told may replace it"
    assert stored(panel)[0]["Porn"]["min"] == 0.1


def test_any_version_can_be_restored(alice, panel):
    for low in (0.4, 0.5):
        put(panel, {"Porn": (low, 0.8)})
    alice.look()
    links = re.findall(r'href="/admin/policy\?version=(\d+)', alice.page.text)
    assert links == ["1"]
    alice.look(version="1")
    assert alice.fields()["min-Porn"] == "0.4"
    assert "The form shows version 1." in alice.notices
    assert alice.save().status_code == 303
    assert stored(panel)[0]["Porn"]["min"] == 0.4
    alice.look()
    assert "Version 1 is in force" in alice.text


def test_only_the_newest_line_of_a_version_is_in_force(alice, panel):
    for automation in (False, True, False):
        put(panel, PORN, automation)
    alice.look()
    lines = alice.page.text.split("<tbody>")[-1].split("</tr>")[:3]
    assert [">in force<" in line for line in lines] == [True, False, False]
    assert ["Restore version" in line for line in lines] == [False, True, False]


@pytest.mark.parametrize("version", ["77", "x", "", "9" * 30, "-1"])
def test_version_that_never_was_is_passed_over(alice, panel, version):
    put(panel, PORN)
    assert alice.look(version=version).status_code == 200
    assert alice.fields()["min-Porn"] == "0.4"


# --- what is wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"min-Porn": ""}, "min-Porn", "Give a number from 0 to 1."),
        ({"max-Porn": "much"}, "max-Porn", "This is not a number."),
        ({"max-Porn": "1.01"}, "max-Porn", "The number must be from 0 to 1."),
        ({"min-Porn": "-0.1"}, "min-Porn", "The number must be from 0 to 1."),
        ({"min-Porn": "nan"}, "min-Porn", "The number must be from 0 to 1."),
        ({"min-Porn": "0.9"}, "min-Porn", "must not be greater than"),
        ({"note": "x" * (MOST_NOTE + 1)}, "note", "500 characters at most"),
    ],
)
def test_invalid_input_is_explained_at_its_field_and_kept(alice, panel, changes, field, sentence):
    put(panel, PORN)
    alice.look()
    assert alice.save(**changes).status_code == 400
    assert sentence in alice.notices
    assert f'href="#{field}"' in alice.page.text
    place = re.search(rf'id="{field}-(?:problem|hint)"[^>]*>(.*?)<', alice.page.text)
    assert sentence in unescape(place[1])
    element = re.search(rf'<(?:input|textarea)[^>]* id="{field}"[^>]*>', alice.page.text)[0]
    element = element.rpartition("<")[2]
    assert 'aria-invalid="true"' in element
    (name, value), *_ = changes.items()
    assert alice.fields()[name] == value
    assert stored(panel)[0] == policy_params(PORN)["moderationScores"]


def test_numbers_of_a_class_that_is_left_out_do_not_matter(alice, panel):
    put(panel, PORN)
    alice.look()
    answer = alice.save(**{"min-Sexy": "much", "max-Sexy": "", "min-Porn": "0.3"})
    assert answer.status_code == 303


def test_stored_invalid_policy_is_shown_with_its_error_and_what_is_in_force(alice, panel):
    put(panel, PORN)
    panel.database.objects.update(
        SYSTEM_CLASSES["_GlobalConfig"],
        Equals("objectId", 1),
        {"params.moderationScores": Set({"Porn": {"min": 0.4, "max": 8}})},
    )
    alice.look()
    assert "moderationScores.Porn.max: must be a number from 0 to 1." in alice.notices
    assert "Version 1, the last valid one, stays in force." in alice.notices
    assert alice.fields()["max-Porn"] == "0.8"
    assert alice.save().status_code == 303, "saving mends it, with the same thresholds too"
    assert stored(panel)[0] == policy_params(PORN)["moderationScores"]
    alice.look()
    assert "not valid" not in alice.notices


def test_page_of_a_new_installation_says_that_people_decide(alice):
    alice.look()
    assert "no class is limited, so every image goes to people" in alice.text
    assert "No image has been classified yet" in alice.text


# --- the trial ------------------------------------------------------------------------------------


@pytest.fixture
def images(panel):
    """Ten images from 0.05 to 0.95, of which people decided the four between the thresholds."""
    put(panel, PORN)
    judged = JudgedImages(panel.database)
    for n in range(10):
        porn = n / 10 + 0.05
        after = State.APPROVED if porn < 0.4 else State.REJECTED if porn > 0.8 else State.REVIEW
        item_id = judged.image(after, porn=porn)
        if after is State.REVIEW:
            verdict = State.REJECTED if porn > 0.6 else State.APPROVED
            judged.decide(item_id, verdict, "user:bob")
    return judged


def test_trial_tells_who_would_go_where_before_anything_is_saved(alice, images, panel):
    alice.look()
    assert "None of 10 images would go elsewhere." in alice.text
    alice.send("preview", **{"min-Porn": "0.2", "max-Porn": "0.9"})
    assert "3 of 10 images would go elsewhere." in alice.text
    moves = re.findall(r'<section class="move">(.*?)</section>', alice.page.text, re.S)
    told = [re.sub(r"\s+", " ", unescape(re.sub("<[^>]*>", " ", move))).strip() for move in moves]
    assert told == [
        "2 · approved → would become to people",
        "1 · rejected → would become to people",
    ]
    assert re.findall(r'href="/admin/items/(\w+)"', moves[0]) == ["item00004", "item00003"]
    assert "/admin/items/item00009/preview.jpg" in moves[1], "blurred, as this moderator likes"
    assert stored(panel)[0] == policy_params(PORN)["moderationScores"]
    assert "4 7 +3" in alice.text, "to people each day"


def test_trial_compares_with_what_people_said(alice, images):
    alice.look()
    alice.send("preview", **{"max-Porn": "0.6"})
    row = alice.text.split("Would be rejected")[1].split("Would not pass")[0]
    assert row.split() == "100 % (34–100 %) 2 of 2 100 % (34–100 %) 2 of 2".split()  # noqa: RUF001, SIM905
    assert "of the newest 4 images they decided about; they rejected 2" in alice.text
    assert "Only what was sent to people is among them" in alice.text


def test_script_gets_the_same_trial(alice, images):
    alice.look()
    answer = alice.preview(**{"min-Porn": "0.2"}).json
    assert answer["problems"] == {}
    assert answer["summary"] == "2 of 10 images would go elsewhere. 4 → 6 a day to people"
    alice.send("preview", **{"min-Porn": "0.2"})
    without_time = re.compile(r"As of [^<]*")
    shown = without_time.sub("", re.sub(r"\s+", " ", alice.page.text))
    assert without_time.sub("", re.sub(r"\s+", " ", answer["html"])).strip() in shown


def test_script_is_told_what_is_wrong(alice, images):
    alice.look()
    answer = alice.preview(**{"min-Porn": "2"})
    assert answer.json == {"problems": {"min-Porn": "The number must be from 0 to 1."}}


@pytest.mark.parametrize("body", [[], "text", {"min-Porn": 1, "on-Porn": True}, None])
def test_script_that_sends_anything_else_breaks_nothing(alice, images, body):
    alice.look()
    token = alice.fields()["csrf_token"]
    assert alice.visitor.send("/policy/preview", body, token=token).status_code == 200


def test_trial_is_on_as_many_images_as_wanted(alice, panel, images):
    for _ in range(100):
        images.image(State.APPROVED, porn=0.01)
    alice.look(images="100")
    assert "None of 100 images" in alice.text
    assert '<option value="100" selected>' in alice.page.text


def test_histogram_is_there_as_a_table(alice, images):
    alice.look()
    table = alice.page.text.split('data-class="Porn"')[1].split("</fieldset>")[0]
    assert re.findall(r'<td class="number">(\d+)</td>', table) == ["1"] * 10


def test_page_in_german(alice, images):
    client = alice.visitor.client
    text = client.get("/admin/policy", headers={"Accept-Language": "de"}).text
    assert "An Menschen ab" in text
    assert "policy." not in re.sub(r'(src|href)="[^"]*"|"policy\.\w+":', "", text)


# --- the form -------------------------------------------------------------------------------------


def test_form_says_the_policy_that_it_was_made_of():
    policy = Policy({Label.PORN: Threshold(1 / 3, 0.75), Label.NEUTRAL: Threshold(0, 1)}, True)
    form = form_of(policy, since=3)
    values = {"images": "500", "since": "3", "automation": "on"}
    for fields in form.classes:
        values |= {f"min-{fields.label}": fields.min.typed, f"max-{fields.label}": fields.max.typed}
        values |= {f"on-{fields.label}": "on"} if fields.is_limited else {}
    read = read_form(values)
    assert (read.images, read.since, read.automation) == (500, 3, True)
    assert read.policy.thresholds[Label.PORN].min == pytest.approx(1 / 3, abs=1e-9)
    assert read.policy.thresholds.keys() == policy.thresholds.keys()


def test_empty_form_is_a_policy_without_classes():
    form = read_form({})
    assert isinstance(form, PolicyForm)
    assert (form.policy, form.problems) == (Policy({}, automation_enabled=False), {})


def test_comma_is_read_as_a_point():
    form = read_form({"on-Porn": "on", "min-Porn": "0,25", "max-Porn": "1"})
    assert form.policy.thresholds == {Label.PORN: Threshold(0.25, 1.0)}


@pytest.mark.parametrize(
    ("text", "count"),
    [("100", 100), ("10000", 10_000), ("99", 1000), ("10001", 1000), ("x", 1000), ("²", 1000)],
)
def test_number_of_images_is_bounded(text, count):
    assert read_images(text) == count


def test_moves_are_told_by_risk_with_a_bounded_list():
    today = read_policy({"Porn": {"min": 0.4, "max": 0.8}}, True)
    proposed = read_policy({"Porn": {"min": 0.6, "max": 0.7}}, True)
    scores = [0.5] * 130 + [0.75] * 3
    images = [Recorded(f"i{n}", (Prediction(Label.PORN, porn),)) for n, porn in enumerate(scores)]
    judged = [Judged(images[0].predictions, rejected=True)]
    trial = Trial(images, True, {}, judged, per_day=1330.0, as_of=utc_now())
    effect = effect_of(proposed, today, trial, 1000)
    first, second = effect.moves
    assert (first.after, first.count, len(first.shown), len(first.more), first.unlisted) == (
        Outcome.APPROVED, 130, 12, 88, 30,
    )  # fmt: skip
    assert (second.after, second.count, second.unlisted) == (Outcome.REJECTED, 3, 0)
    assert (effect.queue_before, effect.queue_after) == (1330.0, 0.0)
    assert (effect.moved, effect.judged, effect.rejected) == (133, 1, 1)
