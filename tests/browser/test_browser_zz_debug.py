from test_browser_policy import *
def test_debug(policy):
    if not policy.is_phone: return
    effect_after(policy, lambda: policy.fill("#min-Porn", "0.31"))
    print(policy.evaluate("[innerWidth, innerHeight, document.documentElement.scrollWidth, visualViewport.scale, visualViewport.width, visualViewport.height, document.documentElement.clientHeight]"))
    print(policy.evaluate("""[...document.querySelectorAll('*')].filter(e=>e.getBoundingClientRect().right>361).map(e=>e.tagName+'.'+e.className+' '+e.getBoundingClientRect().right).slice(0,30)"""))
    print(policy.evaluate("JSON.stringify(document.getElementById('effect-status').getBoundingClientRect())"))
    policy.locator("button[value=save]").scroll_into_view_if_needed()
    print(policy.evaluate("[scrollY, visualViewport.offsetTop, visualViewport.pageTop]"), policy.locator("button[value=save]").bounding_box())
    policy.screenshot(path="/tmp/policy/shots/debug.png")
