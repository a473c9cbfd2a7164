// What an app does with the SDK, one case each; the same for every build.
"use strict";

const assert = require("node:assert/strict");

const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const MASTER = { useMasterKey: true };

module.exports = (Parse) => {
  const cases = {};
  const equal = assert.deepStrictEqual;
  let people = 0;

  // --- helpers ----------------------------------------------------------------------------------

  async function signUp(name = "alice") {
    people += 1;
    return Parse.User.signUp(`${name}${people}`, "right password", {
      email: `${name}${people}@example.com`,
    });
  }

  async function refused(code, promise) {
    const error = await promise.then(
      () => assert.fail(`nothing was refused, but ${code} was due`),
      (reason) => reason,
    );
    equal(error.code, code, `${error.code} ${error.message}`);
    return error;
  }

  function make(className, values) {
    return new Parse.Object(className, values).save();
  }

  function again(object) {
    return new Parse.Query(object.className).get(object.id);
  }

  function publicRead(owner) {
    const acl = owner ? new Parse.ACL(owner) : new Parse.ACL();
    acl.setPublicReadAccess(true);
    return acl;
  }

  const byName = (objects) => objects.map((object) => object.get("name")).sort();

  // --- users ------------------------------------------------------------------------------------

  cases["signing up logs in"] = async () => {
    const alice = await signUp();
    assert.match(alice.getSessionToken(), /^r:[0-9a-f]{32}$/);
    assert.match(alice.id, /^[A-Za-z0-9]{10}$/);
    assert.ok(alice.createdAt instanceof Date);
    equal((await Parse.User.currentAsync()).id, alice.id);
  };

  cases["signing up with a taken name is 202, in any case"] = async () => {
    const alice = await signUp();
    await Parse.User.logOut();
    await refused(202, Parse.User.signUp(alice.getUsername(), "x"));
    await refused(202, Parse.User.signUp(alice.getUsername().toUpperCase(), "x"));
  };

  cases["signing up with a taken email is 203"] = async () => {
    const alice = await signUp();
    await Parse.User.logOut();
    await refused(203, Parse.User.signUp("carol", "x", { email: alice.getEmail() }));
  };

  cases["signing up with a bad email is 125"] = async () => {
    await refused(125, Parse.User.signUp("carol", "x", { email: "nope" }));
  };

  cases["logging in brings the whole user"] = async () => {
    const alice = await signUp();
    await alice.save({ favourite: "blue" });
    await Parse.User.logOut();
    const user = await Parse.User.logIn(alice.getUsername(), "right password");
    equal([user.id, user.get("favourite"), user.getEmail()], [alice.id, "blue", alice.getEmail()]);
    assert.notEqual(user.getSessionToken(), alice.getSessionToken());
  };

  cases["logging in with a wrong password is 101"] = async () => {
    const alice = await signUp();
    const error = await refused(101, Parse.User.logIn(alice.getUsername(), "wrong"));
    equal(error.message, "Invalid username/password.");
    await refused(101, Parse.User.logIn("nobody", "wrong"));
  };

  cases["become takes over a session"] = async () => {
    const alice = await signUp();
    const token = alice.getSessionToken();
    await signUp("bob");
    const user = await Parse.User.become(token);
    equal([user.id, user.getSessionToken()], [alice.id, token]);
    await refused(209, Parse.User.become("r:00000000000000000000000000000000"));
  };

  cases["logging out ends the session"] = async () => {
    const token = (await signUp()).getSessionToken();
    await Parse.User.logOut();
    equal(await Parse.User.currentAsync(), null);
    await refused(209, Parse.User.become(token));
    await refused(209, new Parse.Query("Thing").find({ sessionToken: token }));
  };

  cases["the current session tells how it began"] = async () => {
    const alice = await signUp();
    const session = await Parse.Session.current();
    equal(session.getSessionToken(), alice.getSessionToken());
    equal(session.get("user").id, alice.id);
    equal(session.get("createdWith"), { action: "signup", authProvider: "password" });
    assert.ok(session.get("expiresAt") > new Date());
    assert.ok(session.get("installationId"));
  };

  cases["a user changes his own columns"] = async () => {
    const alice = await signUp();
    await alice.save({ favourite: "red", count: 1 });
    alice.increment("count");
    await alice.save();
    await alice.fetch();
    equal([alice.get("favourite"), alice.get("count")], ["red", 2]);
  };

  cases["a stranger neither sees nor changes a user"] = async () => {
    const alice = await signUp();
    await signUp("charlie");
    await refused(101, new Parse.Query(Parse.User).get(alice.id));
    equal(await new Parse.Query(Parse.User).equalTo("objectId", alice.id).find(), []);
    const error = await Parse.User.createWithoutData(alice.id).save({ favourite: "x" }).catch((e) => e);
    assert.ok([101, 206].includes(error.code), String(error));
    await refused(209, Parse.User.createWithoutData(alice.id).destroy({ sessionToken: "r:x" }));
  };

  cases["a new password needs no new login and ends other sessions"] = async () => {
    const alice = await signUp();
    const other = (await Parse.User.logIn(alice.getUsername(), "right password")).getSessionToken();
    const user = await Parse.User.logIn(alice.getUsername(), "right password");
    user.setPassword("new password");
    await user.save();
    equal((await user.fetch()).id, alice.id); // with the session that the answer brought
    await refused(209, Parse.User.become(other));
    await refused(101, Parse.User.logIn(alice.getUsername(), "right password"));
    await Parse.User.logIn(alice.getUsername(), "new password");
  };

  cases["an anonymous user comes back by his id and can sign up later"] = async () => {
    const authData = { id: `5b2d6f7e-0000-4000-8000-${Date.now()}` };
    const first = await Parse.User.logInWith("anonymous", { authData });
    await Parse.User.logOut();
    const user = await Parse.User.logInWith("anonymous", { authData });
    equal(user.id, first.id);
    assert.ok(Parse.AnonymousUtils.isLinked(user));
    people += 1;
    await user.save({ username: `once-anonymous${people}`, password: "pw" });
    const named = await Parse.User.logIn(`once-anonymous${people}`, "pw");
    equal(named.id, first.id);
  };

  cases["a password is verified without a login"] = async () => {
    const alice = await signUp();
    await Parse.User.logOut();
    const user = await Parse.User.verifyPassword(alice.getUsername(), "right password");
    equal(user.objectId, alice.id);
    equal(await Parse.User.currentAsync(), null);
    await refused(101, Parse.User.verifyPassword(alice.getUsername(), "wrong password"));
  };

  cases["a forgotten password can be asked for, whoever one is"] = async () => {
    const alice = await signUp();
    await alice.save({ email: `${alice.getUsername()}@example.org` });
    await Parse.User.requestPasswordReset(alice.getEmail());
    await Parse.User.requestPasswordReset("nobody@example.org");
    await Parse.User.requestEmailVerification(alice.getEmail());
    await refused(204, Parse.User.requestPasswordReset(""));
  };

  cases["a user deletes himself"] = async () => {
    const alice = await signUp();
    await alice.destroy();
    await refused(101, Parse.User.logIn(alice.getUsername(), "right password"));
  };

  // --- objects ----------------------------------------------------------------------------------

  cases["every type comes back as it was saved"] = async () => {
    const friend = await make("Friend", { name: "bob" });
    const values = {
      text: 'ü€😀 "q" \\ <b>\u2028',
      whole: 42,
      part: -1.5,
      yes: true,
      no: false,
      nothing: null,
      when: new Date("2011-08-21T18:02:52.249Z"),
      list: [1, "two", [3], { four: 4 }, null, new Date(0)],
      nested: { a: { b: [1, 2, { c: null }] } },
    };
    const saved = await make("Everything", {
      ...values,
      friend,
      place: new Parse.GeoPoint(40, -30.5),
    });
    const read = await again(saved);
    for (const [key, value] of Object.entries(values)) equal(read.get(key), value, key);
    equal([read.get("friend").className, read.get("friend").id], ["Friend", friend.id]);
    equal(read.get("place").toJSON(), new Parse.GeoPoint(40, -30.5).toJSON());
    equal(read.createdAt, saved.createdAt);
    equal(read.updatedAt, saved.updatedAt);
  };

  cases["an update leaves other columns alone"] = async () => {
    const thing = await make("Thing", { a: 1, b: 2 });
    const created = thing.createdAt;
    await thing.save({ a: 3 });
    const read = await again(thing);
    equal([read.get("a"), read.get("b"), read.createdAt], [3, 2, created]);
    assert.ok(read.updatedAt >= created);
  };

  cases["increment, add, addUnique, remove and unset"] = async () => {
    const thing = await make("Thing", { number: 1, list: ["a"], gone: true });
    thing.increment("number", 4);
    thing.add("list", "b");
    thing.unset("gone");
    await thing.save();
    thing.decrement("number");
    thing.addAllUnique("list", ["a", "c"]);
    await thing.save();
    thing.removeAll("list", ["b"]);
    await thing.save();
    equal([thing.get("number"), thing.get("list"), thing.get("gone")], [4, ["a", "c"], undefined]);
    const read = await again(thing);
    equal([read.get("number"), read.get("list"), read.get("gone")], [4, ["a", "c"], undefined]);
  };

  cases["operations of two clients add up"] = async () => {
    const thing = await make("Thing", { number: 0, list: [] });
    const changes = Array.from({ length: 6 }, (_, index) => {
      const same = Parse.Object.extend("Thing").createWithoutData(thing.id);
      same.increment("number");
      same.add("list", index);
      return same.save();
    });
    await Promise.all(changes);
    const read = await again(thing);
    equal([read.get("number"), read.get("list").sort()], [6, [0, 1, 2, 3, 4, 5]]);
  };

  cases["operations on a new object become its values"] = async () => {
    const thing = new Parse.Object("Thing");
    thing.increment("number", 3);
    thing.add("list", "x");
    await thing.save();
    const read = await again(thing);
    equal([read.get("number"), read.get("list")], [3, ["x"]]);
  };

  cases["a member of an object column is set alone"] = async () => {
    const thing = await make("Thing", { nested: { a: 1, b: 2 } });
    thing.set("nested.a", 5);
    await thing.save();
    equal((await again(thing)).get("nested"), { a: 5, b: 2 });
  };

  cases["what is deleted is gone"] = async () => {
    const thing = await make("Thing", { a: 1 });
    await thing.destroy();
    equal((await refused(101, again(thing))).message, "Object not found.");
    await refused(101, thing.save({ a: 2 }));
  };

  cases["fetch brings what others changed"] = async () => {
    const thing = await make("Thing", { a: 1 });
    await Parse.Object.extend("Thing").createWithoutData(thing.id).save({ a: 2 });
    equal((await thing.fetch()).get("a"), 2);
  };

  cases["unsaved children are saved first"] = async () => {
    const child = new Parse.Object("Friend", { name: "child" });
    const parent = await make("Thing", { friend: child, friends: [new Parse.Object("Friend")] });
    const read = await new Parse.Query("Thing").include("friend", "friends").get(parent.id);
    equal(read.get("friend").get("name"), "child");
    equal(read.get("friends")[0].className, "Friend");
  };

  cases["saveAll and destroyAll work on more than one batch"] = async () => {
    const many = Array.from({ length: 45 }, (_, index) => new Parse.Object("Many", { index }));
    await Parse.Object.saveAll(many);
    assert.ok(many.every((object) => object.id));
    equal(await new Parse.Query("Many").count(), 45);
    many[0].increment("index", 100);
    await Parse.Object.saveAll([many[0]]);
    equal((await Parse.Object.fetchAll(many.slice(0, 3)))[0].get("index"), 100);
    await Parse.Object.destroyAll(many);
    equal(await new Parse.Query("Many").count(), 0);
  };

  cases["one bad object in saveAll is refused, the others are saved"] = async () => {
    await make("Typed", { number: 1 });
    const good = new Parse.Object("Typed", { number: 2 });
    await refused(111, Parse.Object.saveAll([good, new Parse.Object("Typed", { number: "x" })]));
    equal((await again(good)).get("number"), 2);
  };

  cases["another type than the column's is 111"] = async () => {
    await make("Typed", { number: 1 });
    const error = await refused(111, make("Typed", { number: "x" }));
    equal(error.message, "schema mismatch for Typed.number; expected Number but got String");
  };

  // --- files and UserImage ----------------------------------------------------------------------

  async function download(url) {
    const answer = await fetch(url);
    return [answer.status, answer.headers.get("content-type"), await answer.arrayBuffer()];
  }

  async function comesBack(file) {
    await file.save();
    assert.match(file.name(), /^[0-9a-f]{32}_pixel\.png$/);
    const [status, type, bytes] = await download(file.url());
    equal([status, type, Buffer.from(bytes).toString("base64")], [200, "image/png", PNG]);
  }

  cases["a file of base64 comes back by its url"] = async () => {
    await signUp();
    await comesBack(new Parse.File("pixel.png", { base64: PNG }, "image/png"));
  };

  cases["a file of bytes comes back by its url"] = async () => {
    await signUp();
    await comesBack(new Parse.File("pixel.png", [...Buffer.from(PNG, "base64")], "image/png"));
  };

  cases["a file of a Buffer, which goes as raw bytes, comes back by its url"] = async () => {
    await signUp();
    await comesBack(new Parse.File("pixel.png", Buffer.from(PNG, "base64"), "image/png"));
  };

  cases["nobody uploads without being logged in"] = async () => {
    const file = new Parse.File("pixel.png", { base64: PNG }, "image/png");
    equal((await refused(130, file.save())).message, "File upload by public is disabled.");
  };

  cases["a bad file name is 122"] = async () => {
    await signUp();
    await refused(122, new Parse.File("a$b.png", { base64: PNG }).save());
  };

  cases["only the master key deletes a file"] = async () => {
    await signUp();
    const file = await new Parse.File("pixel.png", { base64: PNG }, "image/png").save();
    await assert.rejects(file.destroy({ useMasterKey: false }));
    await file.destroy();
    equal((await download(file.url()))[0], 404);
  };

  cases["a UserImage keeps its file, author and date"] = async () => {
    const alice = await signUp();
    const image = new Parse.File("pixel.png", { base64: PNG }, "image/png");
    const taken = new Date("2024-02-29T12:00:00.123Z");
    const saved = await make("UserImage", { image, owner: alice, taken, imageAuthor: "alice" });
    const read = await new Parse.Query("UserImage").include("owner").get(saved.id);
    equal([read.get("taken"), read.get("imageAuthor")], [taken, "alice"]);
    equal(read.get("owner").getUsername(), alice.getUsername());
    equal(read.get("image").name(), image.name());
    equal(read.get("image").url(), image.url());
    equal(await Parse.File.fromJSON(read.get("image").toJSON()).getData(), PNG);
  };

  // --- queries ----------------------------------------------------------------------------------

  async function prepare() {
    const reds = await make("Team", { title: "Reds", city: "Bonn" });
    const blues = await make("Team", { title: "Blues", city: "Kiel" });
    const rows = [
      { name: "anna", score: 10, skills: ["js", "go"], team: reds, home: "Bonn", mark: "a.b (x)" },
      { name: "ben", score: 20, skills: ["js", "java"], team: reds, home: "Kiel", mark: "A.B (X)" },
      { name: "carl", score: 30, skills: ["rust"], team: blues, home: "Kiel", mark: "\\E(x)" },
      { name: "dora", home: "Ulm", mark: "axb" },
    ];
    const places = { anna: [50.73, 7.1], ben: [54.32, 10.13], carl: [54.3, 10.1] };
    for (const row of rows) {
      const born = new Date(Date.UTC(2000, 0, rows.indexOf(row) + 1));
      const at = row.name in places ? { at: new Parse.GeoPoint(places[row.name]) } : {};
      await make("Player", { ...row, ...at, born, info: { level: rows.indexOf(row) % 2 } });
    }
  }

  const players = () => new Parse.Query("Player");
  const team = (title) => new Parse.Query("Team").equalTo("title", title);
  const finds = (names, narrow) => async () => {
    const query = players();
    equal(byName(await (narrow(query) ?? query).find()), names);
  };

  cases["query equalTo"] = finds(["ben"], (q) => q.equalTo("score", 20));
  cases["query equalTo in an array"] = finds(["anna", "ben"], (q) => q.equalTo("skills", "js"));
  cases["query equalTo a member"] = finds(["ben", "dora"], (q) => q.equalTo("info.level", 1));
  cases["query equalTo a Date"] = finds(["anna"], (q) => q.equalTo("born", new Date("2000-01-01")));
  cases["query equalTo undefined"] = finds(["dora"], (q) => q.equalTo("score", undefined));
  cases["query equalTo an object"] = async () => {
    const query = players().equalTo("team", await team("Reds").first());
    equal(byName(await query.find()), ["anna", "ben"]);
  };
  cases["query notEqualTo"] = finds(["anna", "carl", "dora"], (q) => q.notEqualTo("score", 20));
  cases["query lessThan"] = finds(["anna"], (q) => q.lessThan("score", 20));
  cases["query lessThanOrEqualTo"] = finds(["anna", "ben"], (q) =>
    q.lessThanOrEqualTo("score", 20));
  cases["query greaterThan"] = finds(["carl"], (q) => q.greaterThan("score", 20));
  cases["query greaterThanOrEqualTo"] = finds(["ben", "carl"], (q) =>
    q.greaterThanOrEqualTo("score", 20));
  cases["query greaterThan a Date"] = finds(["dora"], (q) =>
    q.greaterThan("born", new Date("2000-01-03")));
  cases["query between two"] = finds(["ben"], (q) =>
    q.greaterThan("score", 10).lessThan("score", 30));
  cases["query by createdAt"] = finds(["anna", "ben", "carl", "dora"], (q) =>
    q.greaterThan("createdAt", new Date(0)));
  cases["query containedIn"] = finds(["anna", "carl"], (q) => q.containedIn("score", [10, 30, 99]));
  cases["query containedIn nothing"] = finds([], (q) => q.containedIn("score", []));
  cases["query containedIn an array"] = finds(["anna", "carl"], (q) =>
    q.containedIn("skills", ["go", "rust"]));
  cases["query notContainedIn"] = finds(["ben", "dora"], (q) => q.notContainedIn("score", [10, 30]));
  cases["query exists"] = finds(["anna", "ben", "carl"], (q) => q.exists("score"));
  cases["query doesNotExist"] = finds(["dora"], (q) => q.doesNotExist("score"));
  cases["query containsAll"] = finds(["anna"], (q) => q.containsAll("skills", ["js", "go"]));
  cases["query containsAllStartingWith"] = finds(["ben"], (q) =>
    q.containsAllStartingWith("skills", ["ja", "js"]));
  cases["query containedBy"] = finds(["anna", "dora"], (q) =>
    q.containedBy("skills", ["js", "go", "c"]));
  cases["query matches"] = finds(["anna"], (q) => q.matches("mark", /^a\.b/));
  cases["query matches with an option"] = finds(["anna", "ben"], (q) => q.matches("mark", /^a\.B/i));
  cases["query matches with options"] = finds(["anna", "ben"], (q) =>
    q.matches("mark", "^ a . b ", "ix").notEqualTo("name", "dora"));
  cases["query startsWith quotes"] = finds(["anna"], (q) => q.startsWith("mark", "a.b ("));
  cases["query endsWith quotes"] = finds(["anna", "carl"], (q) => q.endsWith("mark", "(x)"));
  cases["query contains quotes"] = finds(["anna", "carl"], (q) => q.contains("mark", "(x)"));
  cases["query contains the end of a quote"] = finds(["carl"], (q) => q.contains("mark", "\\E(x"));
  cases["query or"] = finds(["anna", "dora"], () =>
    Parse.Query.or(players().equalTo("score", 10), players().doesNotExist("score")));
  cases["query and"] = finds(["ben"], () =>
    Parse.Query.and(players().greaterThan("score", 10), players().lessThan("score", 30)));
  cases["query nor"] = finds(["ben", "dora"], () =>
    Parse.Query.nor(players().equalTo("score", 10), players().equalTo("score", 30)));
  cases["query or with a common constraint"] = finds(["anna"], () =>
    Parse.Query.or(players().equalTo("score", 10), players().equalTo("score", 20)).equalTo(
      "home", "Bonn"));
  cases["query matchesKeyInQuery"] = finds(["ben", "carl"], (q) =>
    q.matchesKeyInQuery("home", "city", team("Blues")));
  cases["query doesNotMatchKeyInQuery"] = finds(["dora"], (q) =>
    q.doesNotMatchKeyInQuery("home", "city", new Parse.Query("Team")));
  cases["query matchesQuery"] = finds(["anna", "ben"], (q) => q.matchesQuery("team", team("Reds")));
  cases["query doesNotMatchQuery"] = finds(["carl", "dora"], (q) =>
    q.doesNotMatchQuery("team", team("Reds")));
  cases["query with two constraints that nest"] = finds(["anna"], () =>
    Parse.Query.or(
      players().matchesQuery("team", team("Reds")).equalTo("home", "Bonn"),
      players().equalTo("score", 99)));

  const berlin = () => new Parse.GeoPoint(52.52, 13.4);
  const bonn = () => new Parse.GeoPoint(50.7, 7.1);

  cases["query near brings the nearest first"] = async () => {
    const found = await players().near("at", berlin()).find();
    equal(found.map((player) => player.get("name")), ["ben", "carl", "anna"]);
  };
  cases["query withinKilometers"] = finds(["ben", "carl"], (q) =>
    q.withinKilometers("at", berlin(), 320));
  cases["query withinMiles, unsorted"] = finds(["ben", "carl"], (q) =>
    q.withinMiles("at", berlin(), 200, false));
  cases["query withinRadians is counted"] = async () => {
    equal(await players().withinRadians("at", bonn(), 0.01).count(), 1);
  };
  cases["query withinGeoBox"] = finds(["ben", "carl"], (q) =>
    q.withinGeoBox("at", new Parse.GeoPoint(54, 10), new Parse.GeoPoint(55, 11)));
  cases["query withinPolygon"] = finds(["anna"], (q) =>
    q.withinPolygon("at", [[50, 6], [50, 8], [51, 8], [51, 6]].map((p) => new Parse.GeoPoint(p))));
  cases["query polygonContains"] = async () => {
    const ring = [[50, 6], [50, 8], [51, 8], [51, 6]];
    await make("Area", { name: "Rhineland", ring: new Parse.Polygon(ring) });
    const areas = () => new Parse.Query("Area");
    equal(byName(await areas().polygonContains("ring", bonn()).find()), ["Rhineland"]);
    equal(await areas().polygonContains("ring", berlin()).find(), []);
  };

  cases["query aggregate"] = async () => {
    const group = { $group: { _id: "$home", best: { $max: "$score" } } };
    const found = await players().aggregate([group, { $sort: { _id: 1 } }]);
    equal(found.map(({ objectId, best }) => [objectId, best]), [
      ["Bonn", 10], ["Kiel", 30], ["Ulm", null]]);
  };
  cases["query distinct"] = async () => {
    equal((await players().exists("score").distinct("home")).sort(), ["Bonn", "Kiel"]);
    const teams = await players().equalTo("name", "anna").distinct("team");
    equal(teams[0].className ?? teams[0].__type, "Team");
  };
  cases["query explain and hint are for who may"] = async () => {
    await refused(102, players().explain().find());
    await refused(102, players().hint("nothing").find());
    equal((await players().hint("_id_").comment("why").find()).length, 4);
  };

  cases["query ascending and descending"] = async () => {
    const scores = async (query) => (await query.exists("score").find()).map((o) => o.get("score"));
    equal(await scores(players().ascending("score")), [10, 20, 30]);
    equal(await scores(players().descending("score")), [30, 20, 10]);
    equal(await scores(players().ascending("home").addDescending("score")), [10, 30, 20]);
    equal(await scores(players().descending("createdAt")), [30, 20, 10]);
  };

  cases["query limit and skip"] = async () => {
    equal(byName(await players().ascending("name").skip(1).limit(2).find()), ["ben", "carl"]);
    equal(await players().limit(0).find(), []);
  };

  cases["query count ignores limit"] = async () => {
    equal(await players().count(), 4);
    equal(await players().greaterThan("score", 10).count(), 2);
  };

  cases["query withCount"] = async () => {
    const { results, count } = await players().withCount().limit(1).find();
    equal([results.length, count], [1, 4]);
  };

  cases["query first"] = async () => {
    equal((await players().descending("score").first()).get("name"), "carl");
    equal(await players().equalTo("score", 99).first(), undefined);
  };

  cases["query get by id"] = async () => {
    const first = await players().first();
    equal((await players().get(first.id)).get("name"), first.get("name"));
    await refused(101, players().get("zzzzzzzzzz"));
  };

  cases["query each reads batch after batch"] = async () => {
    const seen = [];
    await players().each((player) => void seen.push(player), { batchSize: 2 });
    equal(byName(seen), ["anna", "ben", "carl", "dora"]);
  };

  cases["query include"] = async () => {
    const anna = await players().equalTo("name", "anna").include("team").first();
    equal(anna.get("team").get("title"), "Reds");
    equal((await players().includeAll().equalTo("name", "carl").first()).get("team").get("city"), "Kiel");
  };

  cases["query without include brings a pointer"] = async () => {
    const raw = await players().equalTo("name", "anna").find({ json: true });
    equal(Object.keys(raw[0].team).sort(), ["__type", "className", "objectId"]);
    equal(raw[0].team.__type, "Pointer");
  };

  cases["query select"] = async () => {
    const [anna] = await players().equalTo("name", "anna").select("score").find({ json: true });
    equal(anna.score, 10);
    equal(Object.keys(anna).filter((key) => key !== "className").sort(), [
      "createdAt", "objectId", "score", "updatedAt"]);
  };

  cases["query select of an included object"] = async () => {
    const anna = await players().equalTo("name", "anna").select("team.title").first();
    equal([anna.get("team").get("title"), anna.get("team").get("city")], ["Reds", undefined]);
  };

  cases["query exclude"] = async () => {
    const anna = await players().equalTo("name", "anna").exclude("score", "skills").first();
    equal([anna.get("name"), anna.get("score"), anna.get("skills")], ["anna", undefined, undefined]);
  };

  cases["query of an unknown column finds nothing"] = finds([], (q) => q.equalTo("nowhere", 1));

  cases["query with a bad operator is 107, with a bad key 105"] = async () => {
    await refused(107, players().withJSON({ where: { score: { $foo: 1 } } }).find());
    await refused(105, players().equalTo("a b", 1).find());
  };

  // --- relations --------------------------------------------------------------------------------

  cases["a relation is added to, queried and taken from"] = async () => {
    const [ann, bea] = await Promise.all([
      make("Friend", { name: "ann" }),
      make("Friend", { name: "bea" }),
    ]);
    const group = new Parse.Object("Group");
    group.relation("members").add([ann, bea]);
    await group.save();
    const members = (await again(group)).relation("members");
    equal(members.targetClassName, "Friend");
    equal(byName(await members.query().find()), ["ann", "bea"]);
    equal(byName(await members.query().equalTo("name", "bea").find()), ["bea"]);
    equal(await new Parse.Query("Group").equalTo("members", ann).count(), 1);
    group.relation("members").remove(ann);
    await group.save();
    equal(byName(await group.relation("members").query().find()), ["bea"]);
  };

  // --- access -----------------------------------------------------------------------------------

  cases["a private object is its owner's alone"] = async () => {
    const alice = await signUp();
    const secret = await make("Secret", { name: "s", ACL: new Parse.ACL(alice) });
    equal((await again(secret)).getACL().toJSON(), { [alice.id]: { read: true, write: true } });
    for (const become of [() => signUp("charlie"), () => Parse.User.logOut()]) {
      await become();
      await refused(101, again(secret));
      equal(await new Parse.Query("Secret").equalTo("objectId", secret.id).count(), 0);
      await refused(101, Parse.Object.extend("Secret").createWithoutData(secret.id).save({ name: "x" }));
      await refused(101, Parse.Object.extend("Secret").createWithoutData(secret.id).destroy());
    }
    equal((await new Parse.Query("Secret").get(secret.id, MASTER)).get("name"), "s");
  };

  cases["a public object is read by all and written by its owner"] = async () => {
    const alice = await signUp();
    const shown = await make("Shown", { name: "s", ACL: publicRead(alice) });
    await signUp("charlie");
    equal((await again(shown)).get("name"), "s");
    await refused(101, Parse.Object.extend("Shown").createWithoutData(shown.id).save({ name: "x" }));
  };

  cases["a role's members share its objects"] = async () => {
    const alice = await signUp();
    const aliceToken = alice.getSessionToken();
    const bob = await signUp("bob");
    const role = new Parse.Role(`moderators-${Date.now()}`, publicRead());
    role.getUsers().add(bob);
    await role.save(null, MASTER);
    const granted = new Parse.ACL();
    granted.setRoleReadAccess(role, true);
    granted.setRoleWriteAccess(role, true);
    const shared = await make("Shared", { name: "s", ACL: granted });
    equal((await again(shared)).get("name"), "s");
    await shared.save({ name: "changed" });
    await refused(101, new Parse.Query("Shared").get(shared.id, { sessionToken: aliceToken }));
    const found = await new Parse.Query(Parse.Role).equalTo("name", role.getName()).first();
    equal(byName(await found.getUsers().query().find(MASTER)).length, 1);
    role.getUsers().remove(bob);
    await role.save(null, MASTER);
    await refused(101, again(shared));
  };

  cases["a role's child roles inherit from it"] = async () => {
    const alice = await signUp();
    const child = new Parse.Role(`child-${Date.now()}`, publicRead());
    child.getUsers().add(alice);
    await child.save(null, MASTER);
    const parent = new Parse.Role(`parent-${Date.now()}`, publicRead());
    parent.getRoles().add(child);
    await parent.save(null, MASTER);
    const granted = new Parse.ACL();
    granted.setRoleReadAccess(parent, true);
    const shared = await make("Shared", { name: "s", ACL: granted });
    equal((await again(shared)).get("name"), "s");
  };

  cases["a second role of a name is 137"] = async () => {
    const name = `twice-${Date.now()}`;
    await new Parse.Role(name, new Parse.ACL()).save(null, MASTER);
    await refused(137, new Parse.Role(name, new Parse.ACL()).save(null, MASTER));
  };

  // --- config, functions, health ----------------------------------------------------------------

  cases["config is saved with the master key and read by all"] = async () => {
    const scores = { Porn: { min: 0.4, max: 0.8 } };
    await Parse.Config.save({ moderationScores: scores, secret: 1 }, { secret: true });
    const config = await Parse.Config.get();
    equal([config.get("moderationScores"), config.get("secret")], [scores, undefined]);
    equal((await Parse.Config.get(MASTER)).get("secret"), 1);
    equal(Parse.Config.current().get("moderationScores"), scores);
  };

  cases["a cloud function gets its params and answers"] = async () => {
    const params = { n: 1, list: [1, { a: "b" }], when: new Date(5) };
    equal(await Parse.Cloud.run("echo", params), params);
    equal(await Parse.Cloud.run("hello"), "Hello from Cloud Code");
  };

  cases["a cloud function knows who calls"] = async () => {
    const alice = await signUp();
    const { user, master, installationId } = await Parse.Cloud.run("whoami");
    equal([user.id, user.getUsername(), master], [alice.id, alice.getUsername(), false]);
    assert.ok(installationId);
    equal((await Parse.Cloud.run("whoami", {}, MASTER)).master, true);
  };

  cases["a cloud function's errors keep code and sentence"] = async () => {
    equal((await refused(142, Parse.Cloud.run("boomParse"))).message, "validation says no");
    equal((await refused(141, Parse.Cloud.run("nope"))).message, 'Invalid function: "nope"');
    await refused(142, Parse.Cloud.run("needsUser"));
    await signUp();
    equal(await Parse.Cloud.run("needsUser"), "ok");
  };

  cases["nsfwImageClassify says what is wrong with its url"] = async () => {
    await refused(142, Parse.Cloud.run("nsfwImageClassify", {}));
    await refused(141, Parse.Cloud.run("nsfwImageClassify", { url: "ftp://x/y" }));
  };

  cases["the server's health"] = async () => {
    equal((await Parse.getServerHealth()).status, "ok");
  };

  // --- LiveQuery --------------------------------------------------------------------------------

  const heard = (subscription, kind) =>
    new Promise((resolve) =>
      subscription.on(kind, (object, original) => resolve({ object, original })),
    );

  // As an app does it: the SDK would send the master key along if it had one.
  async function subscribe(query) {
    const { masterKey } = Parse;
    Parse.masterKey = null;
    return query.subscribe().finally(() => (Parse.masterKey = masterKey));
  }

  async function live(query, use) {
    try {
      await use(await subscribe(query));
    } finally {
      await Parse.LiveQuery.close();
    }
  }

  cases["a live query hears of objects that begin, change and end"] = async () => {
    const query = new Parse.Query("Lively").greaterThan("n", 1);
    await live(query, async (subscription) => {
      const kinds = ["create", "update", "leave", "enter", "delete"];
      const told = kinds.map((kind) => heard(subscription, kind));
      const object = await make("Lively", { n: 2, tag: "kept" });
      await object.save({ n: 3 });
      await object.save({ n: 0 });
      await object.save({ n: 4 });
      await object.destroy();
      const [create, update, leave, enter, gone] = await Promise.all(told);
      equal(create.object.id, object.id);
      equal([update.object.get("n"), update.original.get("n")], [3, 2]);
      equal([leave.object.get("n"), leave.original.get("n")], [0, 3]);
      equal([enter.object.get("n"), enter.original.get("n")], [4, 0]);
      equal([gone.object.id, gone.object.get("tag")], [object.id, "kept"]);
      await subscription.unsubscribe();
    });
  };

  cases["a live query hears what its user may read, and nothing else"] = async () => {
    const bob = await signUp("bob");
    const hidden = new Parse.ACL();
    const his = new Parse.ACL(bob);
    await live(new Parse.Query("Lively").exists("secret"), async (subscription) => {
      const names = [];
      const last = new Promise((resolve) =>
        subscription.on("create", (object) => {
          names.push(object.get("secret"));
          if (object.get("secret") === "last") resolve();
        }),
      );
      for (const [secret, acl] of [["hidden", hidden], ["his", his], ["last", publicRead(bob)]]) {
        await new Parse.Object("Lively", { secret }).setACL(acl).save(null, MASTER);
      }
      await last;
      equal(names, ["his", "last"]);
    });
  };

  cases["an installation of one device is one object"] = async () => {
    const installationId = `phone-${Date.now()}-${Math.random()}`;
    const save = (columns) => {
      const phone = new Parse.Installation({ installationId, deviceType: "web" });
      return phone.save(columns);
    };
    const { id } = await save({ badge: 1 });
    await save({ badge: 2 });
    const query = new Parse.Query(Parse.Installation).equalTo("installationId", installationId);
    const found = await query.find(MASTER);
    equal(found.map((phone) => [phone.id, phone.get("badge")]), [[id, 2]]);
    await refused(119, query.find());
  };

  cases["a class is made, changed, emptied and taken away"] = async () => {
    const name = `Made${Date.now()}${Math.random().toString(36).slice(2)}`;
    const schema = new Parse.Schema(name);
    schema
      .addString("title", { required: true, defaultValue: "x" })
      .addPointer("owner", "_User")
      .addRelation("fans", "_User")
      .addIndex("by_title", { title: 1 })
      .setCLP({ find: { "*": true }, get: { "*": true }, create: { requiresAuthentication: true } });
    const made = await schema.save();
    equal(made.fields.title, { type: "String", required: true, defaultValue: "x" });
    await refused(103, new Parse.Schema(name).save());
    await signUp();
    const object = await make(name, {});
    equal((await again(object)).get("title"), "x");
    const changed = await new Parse.Schema(name).deleteField("owner").addNumber("n").update();
    equal([changed.fields.owner, changed.fields.n], [undefined, { type: "Number" }]);
    equal(Object.keys((await new Parse.Schema(name).get()).indexes).sort(), ["_id_", "by_title"]);
    await refused(255, new Parse.Schema(name).delete());
    await new Parse.Schema(name).purge();
    equal(await new Parse.Query(name).find(), []);
    await new Parse.Schema(name).delete();
    await refused(103, new Parse.Schema(name).get());
    assert.ok((await Parse.Schema.all()).every((each) => each.className !== name));
  };

  cases["a live query that is refused says why"] = async () => {
    const query = new Parse.Query("Lively").matchesQuery("team", team("Reds"));
    await refused(102, subscribe(query));
    await Parse.LiveQuery.close();
  };

  cases["an app sees its image turn approved"] = async () => {
    const scores = { Porn: { min: 0.998, max: 0.999 } };
    await Parse.Config.save({ moderationScores: scores, moderationAutomation: true });
    const alice = await signUp();
    const query = new Parse.Query("UserImage").equalTo("owner", alice).equalTo("isSafe", true);
    await live(query, async (subscription) => {
      const approved = heard(subscription, "enter");
      const image = new Parse.File("pixel.png", { base64: PNG }, "image/png");
      const saved = await make("UserImage", { image, owner: alice });
      const { object } = await approved;
      equal([object.id, object.get("isSafe")], [saved.id, true]);
      assert.ok(Date.now() - object.updatedAt < 1000);
    });
  };

  return { prepare, cases };
};
