"""Your cloud code: the server loads this file, or the one that CLOUD_CODE_MAIN names, at start.

Define functions, triggers and jobs of your own below; `nsfwImageClassify` is there already, and
one of yours of the same name replaces it. docs/cloud-code.md shows all there is, each example
beside Parse's own JavaScript.

    from cloud.code import cloud

    @cloud.define("hello")
    def hello(request):
        return "Hello from Cloud Code"
"""
